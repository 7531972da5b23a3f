import type { SecretRecord } from '../../shared/registry/registry.ts';
import { silent } from '../../shared/rollout/batch.ts';
import { isLive, named } from '../../shared/rollout/presence.ts';
import type { RolloutStore } from '../../shared/rollout/rollout-store.ts';

/** Consumers of one secret and the rollout that is under way: who has what, who is missing. */
export interface RolloutView {
  readonly consumers: number;
  /** Live consumers by the version they use, and how many of them. */
  readonly versions: readonly { readonly version_id: string; readonly label: string; readonly consumers: number }[];
  readonly batches: readonly {
    readonly number: number;
    readonly expected: number;
    readonly acknowledged: number;
    readonly refused: number;
    readonly missing: readonly string[];
  }[];
  /** How many batches the plan has. */
  readonly planned: number;
  readonly state: string;
}

/** Reads it. `silent` consumers are named only in the batch that is open. */
export async function viewRollout(
  record: SecretRecord,
  rollouts: Pick<RolloutStore, 'consumers' | 'batches' | 'notice'>,
  now: Date,
): Promise<RolloutView> {
  const { secretId, rotation, ledger } = record;
  const [consumers, batches, notice] = await Promise.all([
    rollouts.consumers(secretId),
    rotation === undefined ? [] : rollouts.batches(secretId, rotation.rotationId),
    rollouts.notice(secretId),
  ]);
  const live = consumers.filter((consumer) => isLive(consumer, now));
  const byId = new Map(consumers.map((consumer) => [consumer.consumerId, consumer]));
  const byVersion = Map.groupBy(live, ({ holds }) => holds.toSorted().join(' and '));
  return {
    consumers: live.length,
    versions: [...byVersion].map(([version, those]) => ({
      version_id: version,
      label: ledger.find(({ versionId }) => versionId === version)?.identity ?? 'changing over',
      consumers: those.length,
    })),
    batches: batches.map((batch) => ({
      number: batch.number + 1,
      expected: batch.expected.length,
      acknowledged: batch.acknowledged.length,
      refused: batch.refused.length,
      missing: silent(batch).map((id) => {
        const consumer = byId.get(id);
        return consumer === undefined ? id : named([consumer]);
      }),
    })),
    planned: rotation?.rollout?.bounds.length ?? 0,
    state: notice?.state ?? 'none',
  };
}

/** The same for people, indented below the secret's own line. */
export function rolloutLines({ consumers, versions, batches, planned, state }: RolloutView): readonly string[] {
  const held = versions.map(({ label, consumers: count }) => `${count} on ${label}`).join(', ');
  return [
    `  ${consumers} consumers${held === '' ? '' : `: ${held}`}${state === 'none' ? '' : ` (${state})`}`,
    ...batches.map(({ number, expected, acknowledged, refused, missing }) => {
      const bar = progress(acknowledged, expected);
      const no = refused === 0 ? '' : `, ${refused} refused`;
      const rest =
        missing.length === 0 ? '' : `, missing: ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''}`;
      return `  batch ${number}/${planned} ${bar} ${acknowledged}/${expected}${no}${rest}`;
    }),
  ];
}

const WIDTH = 20;

function progress(done: number, all: number): string {
  const filled = all === 0 ? WIDTH : Math.min(WIDTH, Math.round((done / all) * WIDTH));
  return `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}]`;
}
