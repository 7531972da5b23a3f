import { once } from 'node:events';
import { systemClock } from '../../shared/clock.ts';
import type { RotationInput } from '../../shared/rotation/payloads.ts';
import { rotatorFor } from '../../shared/rotators/rotator-for.ts';
import { realPorts, rotateWhole, type Step, type Tables } from '../harness/real-ports.ts';
import { Saboteur } from './saboteur.ts';

/** What the parent sends first. */
export interface Errand {
  readonly tables: Tables;
  readonly input: RotationInput;
}

/** What it is told: the side effect that has just happened, and in which step. It answers with anything, or kills. */
export interface Told {
  readonly step: Step;
  readonly effect: string;
}

/*
 * A process of its own that makes one rotation with its retirement, as the functions would, and stands still after every
 * side effect until its parent lets it go on.
 */
if (process.send === undefined) throw new Error('started by killed-process.test.ts');
const [errand] = (await once(process, 'message')) as [Errand];
const { tables, input } = errand;
let step: Step = 'generate';
const saboteur = new Saboteur(undefined, async (effect) => {
  process.send?.({ step, effect } satisfies Told);
  await once(process, 'message');
});
const ports = realPorts(tables, (type, mode) => rotatorFor(type, { clock: systemClock, mode }));
await rotateWhole(input, saboteur.invocation(ports), {
  before: async (next) => {
    step = next;
  },
});
process.disconnect();
