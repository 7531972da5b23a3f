import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod/mini';
import { handler } from '../../../functions/handler.ts';
import { TargetUnreachable } from '../../../shared/errors.ts';

const SCHEMA = z.strictObject({ secretId: z.string() });
const CONTEXT = {} as never;
/** Looks like a secret; must come out nowhere. */
const PLANTED = 'hunter2-planted';

let written: string[];
beforeEach(() => {
  written = [];
  const write = (chunk: string | Uint8Array) => (written.push(String(chunk)), true);
  vi.spyOn(process.stdout, 'write').mockImplementation(write);
  vi.spyOn(process.stderr, 'write').mockImplementation(write);
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    vi.spyOn(console, method).mockImplementation(
      (...words: unknown[]) => void written.push(words.map(String).join(' ')),
    );
  }
});
afterEach(() => vi.restoreAllMocks());

describe('the edge of every function', () => {
  it('lets the answer through', async () => {
    const step = handler('test', SCHEMA, async ({ secretId }) => ({ secretId }));
    expect(await step({ secretId: 'a' }, CONTEXT)).toEqual({ secretId: 'a' });
  });

  it.each([[{ secretId: 'a', extra: PLANTED }], [{ secretId: { [PLANTED]: 1 } }], [null], [PLANTED], [[PLANTED]]])(
    'stops an event of another shape without quoting it: case %#',
    async (event) => {
      const step = handler('test', SCHEMA, async () => 'never');
      const error = await thrown(step(event, CONTEXT));
      expect(error.name).toBe('Misconfigured');
      expectSilence(error);
    },
  );

  it('gives the name and safe text of a known fault, without its causes', async () => {
    const step = handler('test', SCHEMA, async () => {
      throw new TargetUnreachable('The target does not answer.', { cause: new Error(PLANTED) });
    });
    const error = await thrown(step({ secretId: 'a' }, CONTEXT));
    expect(error).toMatchObject({ name: 'TargetUnreachable', message: 'The target does not answer.' });
    expect(error.cause).toBeUndefined();
    expectSilence(error);
  });

  it('says nothing of an unknown error but where it happened', async () => {
    const step = handler('test', SCHEMA, async () => JSON.parse(`{"password":"${PLANTED}`) as unknown);
    const error = await thrown(step({ secretId: 'a' }, CONTEXT));
    expect(error.name).toBe('InternalFault');
    expect(written.join('')).toContain('handler.test.ts');
    expectSilence(error);
  });
});

async function thrown(run: Promise<unknown>): Promise<Error> {
  return run.then(
    () => Promise.reject(new Error('it did not throw')),
    (error: unknown) => error as Error,
  );
}

function expectSilence(error: Error): void {
  const lambdaAnswer = inspect(error, { depth: 10, showHidden: true });
  expect(lambdaAnswer + written.join('\n')).not.toContain(PLANTED);
}
