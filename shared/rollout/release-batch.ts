import { CandidateUnproven } from '../errors.ts';
import { hasEnded, requireRunning } from '../rotation/phase.ts';
import type { RolloutPorts } from '../rotation/ports.ts';
import { isComplete } from './batch.ts';
import { changeNotice } from './notices.ts';
import type { ReleaseInput } from './payloads.ts';
import { batchOf, positionOf } from './position.ts';
import { isCountedOn } from './presence.ts';
import type { Batch } from './rollout-store.ts';

/**
 * Hands the candidate to one batch: writes down who is expected and the task that waits for them, then raises the notice
 * that they follow. Whoever left since the plan is not expected; a batch without anybody is complete at once.
 *
 * Twice is harmless: the second time gives the batch its new token and finds the notice raised. Throws
 * `CandidateUnproven` before Audit has ended, and `RotationEnded` for a rotation that is over.
 */
export async function releaseBatch({ batch, token, ...input }: ReleaseInput, ports: RolloutPorts): Promise<void> {
  const { rollouts, clock } = ports;
  const { secretId, rotationId } = input;
  const record = await requireRunning(ports, input);
  const plan = record.rotation.rollout;
  if (plan === undefined || !hasEnded(record, 'audit')) {
    throw new CandidateUnproven('The rollout has not been planned: Audit has not ended.');
  }
  const now = clock.now();
  const expected = (await rollouts.consumers(secretId))
    .filter((consumer) => consumer.startedAt <= plan.plannedAt && isCountedOn(consumer, now))
    .filter(({ consumerId }) => batchOf(plan, positionOf(rotationId, consumerId)) === batch)
    .map(({ consumerId }) => consumerId);
  const { rollbackOnError } = record.declaration.reload;
  const opened = await rollouts.openBatch({
    secretId,
    rotationId,
    number: batch,
    expected,
    stopsOnRefusal: rollbackOnError,
    token,
    openedAt: now,
  });
  // Only past batches that are open: with several released side by side, an answer must find its batch.
  const released = openInARow(await rollouts.batches(secretId, rotationId));
  await changeNotice(rollouts, secretId, (standing) => {
    const isOurs = standing?.rotationId === rotationId;
    // A stopped execution's function may come here after all has been rolled back, or another rotation has begun.
    const isOver = isOurs ? standing.state !== 'rolling' : (standing?.sequence ?? 0) !== plan.sequence;
    if (released === 0 || isOver || (isOurs && standing.released >= released)) return undefined;
    return { state: 'rolling', rotationId, versionId: rotationId, bounds: plan.bounds, released };
  });
  if (isComplete(opened)) await ports.taskTokens.succeed(token);
}

function openInARow(batches: readonly Batch[]): number {
  const numbers = new Set(batches.map(({ number }) => number));
  let released = 0;
  while (numbers.has(released)) released += 1;
  return released;
}
