import { ConsumersRefused, ConsumersSilent } from '../errors.ts';
import { updateRecord } from '../registry/update-record.ts';
import { withLease } from '../rotation/lease.ts';
import { recordFault, running } from '../rotation/phase.ts';
import { type RotationInput, rotationIds } from '../rotation/payloads.ts';
import type { RolloutPorts } from '../rotation/ports.ts';
import { silent } from './batch.ts';
import type { BatchInput } from './payloads.ts';
import { named } from './presence.ts';
import type { Batch } from './rollout-store.ts';

type JudgingPorts = Omit<RolloutPorts, 'taskTokens' | 'auditTrail'>;

/**
 * Decides, when a batch has ended or its time is over, whether the rollout goes on. A refusal stops it (unless the
 * secret has `rollback_on_error: false`), and so does more silence, over all batches, than `tolerance` allows. Writes
 * nothing but the lease, so twice is harmless. Throws `ConsumersRefused` and `ConsumersSilent`, which name who and what they said.
 */
export async function judgeBatch(given: BatchInput, ports: JudgingPorts): Promise<void> {
  const input = rotationIds(given);
  // Renews the lease, which outlives one batch.
  const record = running(
    await updateRecord(ports.registry, input.secretId, (latest) =>
      withLease(running(latest, input.rotationId), input.rotationId, ports.clock.now()),
    ),
    input.rotationId,
  );
  const { secretId, rotationId } = input;
  const { rollout, reload } = record.declaration;
  const batches = await ports.rollouts.batches(secretId, rotationId);
  const refusals = reload.rollbackOnError ? batches.flatMap(({ refused }) => refused) : [];
  const quiet = batches.flatMap((batch) => silent(batch).map((consumerId) => ({ consumerId, batch })));
  const tolerated = Math.floor(((record.rotation.rollout?.consumers ?? 0) * rollout.tolerancePercent) / 100);
  if (refusals.length === 0 && quiet.length <= tolerated) return;
  const fault = refusals.length > 0 ? await refused(refusals, input, ports) : await unheard(quiet, input, ports);
  await recordFault(ports, input, fault);
  throw fault;
}

async function refused(
  consumerIds: readonly string[],
  { secretId, rotationId }: RotationInput,
  { rollouts }: JudgingPorts,
): Promise<ConsumersRefused> {
  const answers = (await rollouts.answers(secretId, rotationId)).filter((answer) =>
    consumerIds.includes(answer.consumerId),
  );
  const words = answers.slice(0, 5).map(({ agent, host, said }) => `${agent} on ${host} said: ${said}`);
  return new ConsumersRefused(
    `${consumerIds.length} of the consumers refused the new value. ${words.join('; ')}${answers.length > 5 ? '; …' : ''}`,
  );
}

async function unheard(
  quiet: readonly { readonly consumerId: string; readonly batch: Batch }[],
  { secretId }: RotationInput,
  { rollouts }: JudgingPorts,
): Promise<ConsumersSilent> {
  const consumers = new Map((await rollouts.consumers(secretId)).map((consumer) => [consumer.consumerId, consumer]));
  const seen = quiet.map(({ consumerId, batch }) => ({
    consumer: consumers.get(consumerId),
    openedAt: batch.openedAt,
  }));
  // Heard of since its batch was released: alive, and busy with its proof. Not heard of: gone, or cut off.
  const hanging = seen.flatMap(({ consumer, openedAt }) =>
    consumer !== undefined && consumer.seenAt >= openedAt ? [consumer] : [],
  );
  const vanished = seen.flatMap(({ consumer, openedAt }) =>
    consumer !== undefined && consumer.seenAt < openedAt ? [consumer] : [],
  );
  const parts = [
    ...(hanging.length > 0 ? [`${hanging.length} did not finish their proof in time (${named(hanging)})`] : []),
    ...(vanished.length > 0 ? [`${vanished.length} were not heard of again (${named(vanished)})`] : []),
  ];
  return new ConsumersSilent(
    `${quiet.length} of the consumers did not answer, more than tolerated: ${parts.join('; ')}.`,
  );
}
