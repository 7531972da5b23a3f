import type { Answer } from './consumer.ts';
import { isComplete } from './batch.ts';
import { batchOf, positionOf } from './position.ts';
import type { BatchAnswers, RolloutStore, TaskTokens } from './rollout-store.ts';

/**
 * Counts answers into the batches of the rollout that is under way, and wakes the waiting task with the last one. An
 * answer to another rotation, or of somebody in no batch, counts for nothing.
 *
 * Twice is harmless: a consumer counts once for each outcome, and a task is woken once.
 */
export async function acknowledge(
  answers: readonly Answer[],
  { rollouts, taskTokens }: { readonly rollouts: RolloutStore; readonly taskTokens: TaskTokens },
): Promise<void> {
  for (const [secretId, ofSecret] of Map.groupBy(answers, (answer) => answer.secretId)) {
    const notice = await rollouts.notice(secretId);
    if (notice?.state !== 'rolling') continue;
    const { rotationId } = notice;
    const counted = ofSecret.filter(
      (answer) => answer.rotationId === rotationId && answer.versionId === notice.versionId,
    );
    const byBatch = Map.groupBy(counted, ({ consumerId }) => batchOf(notice, positionOf(rotationId, consumerId)));
    for (const [number, inBatch] of byBatch) {
      if (number === undefined || number >= notice.released) continue;
      const batch = await rollouts.addAnswers({ secretId, rotationId, number }, sorted(inBatch));
      if (batch !== undefined && isComplete(batch)) await taskTokens.succeed(batch.token);
    }
  }
}

function sorted(answers: readonly Answer[]): BatchAnswers {
  const of = (outcome: Answer['outcome']) =>
    answers.filter((answer) => answer.outcome === outcome).map(({ consumerId }) => consumerId);
  return { acknowledged: of('acknowledged'), refused: of('refused') };
}
