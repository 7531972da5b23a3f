import * as fc from 'fast-check';

export * from 'fast-check';

/** The seed of a test run. Two runs of the same code try the same inputs: what a change breaks is the change's. */
const SEED = 20_260_301;
const RUNS = 100;

/**
 * `fast-check`, whose properties are tried with the same inputs each time; or, to find what nobody has thought of, with
 * others (`REKEY_PROPERTY_SEED`: a number, or `random`) and so many times more of them (`REKEY_PROPERTY_TIMES`).
 */
export const assert = ((property: fc.IRawProperty<unknown>, parameters: fc.Parameters<unknown> = {}) => {
  const { REKEY_PROPERTY_SEED: asked, REKEY_PROPERTY_TIMES: times = '1' } = process.env;
  const seed = asked === 'random' ? {} : { seed: asked === undefined ? SEED : whole(asked, 'REKEY_PROPERTY_SEED') };
  const numRuns = (parameters.numRuns ?? RUNS) * whole(times, 'REKEY_PROPERTY_TIMES');
  return fc.assert(property, { ...seed, ...parameters, numRuns });
}) as typeof fc.assert;

function whole(text: string, name: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new Error(`${name} is no whole number.`);
  return number;
}
