import { ANY_VERSION } from '../shared/rollout/consumer.ts';
import type { RolloutNotice } from '../shared/rollout/notice.ts';
import { isReleased } from '../shared/rollout/position.ts';
import { type Change, type ChangePorts, countFetch } from './change.ts';
import type { FollowedSecret } from './followed-secret.ts';
import type { Provers } from './provers.ts';
import type { SecretReading } from './secret-reader.ts';

type Ports = ChangePorts & { readonly provers: Provers; readonly hotReload: boolean };

/**
 * What may be used instead of a value that its target refuses, announced, one after another: AWSCURRENT, the candidate
 * where it is released to this consumer, and what is still among what this process holds. Never a version that this
 * process has already left: Rekey counts on nobody's taking one up again.
 */
export async function* refusedChanges(secret: FollowedSecret, ports: Ports): AsyncGenerator<Change> {
  const refused = secret.value?.versionId;
  if (!ports.hotReload || refused === undefined) return;
  const tried = new Set<string>();
  for (const candidate of [current, pending, held]) {
    const notice = await ports.link.notice(secret.name);
    const reading = await candidate(secret, notice, ports);
    const value = reading?.value;
    if (value === undefined || tried.has(value.versionId)) continue;
    if (notice?.state === 'returning' && value.versionId === notice.versionId) continue;
    tried.add(value.versionId);
    countFetch(secret, value, 'refused');
    // Without a check of the caller's, the value that was refused proves nothing by being read again.
    if (value.versionId === refused && !ports.provers.has(secret.name)) continue;
    if ((await secret.holding.announce(value.versionId, notice?.sequence ?? 0)) === 'superseded') continue;
    yield { secret, value, notice, outcome: undefined };
  }
}

type Candidate = (
  secret: FollowedSecret,
  notice: RolloutNotice | undefined,
  ports: Ports,
) => Promise<SecretReading | undefined>;

const current: Candidate = async (secret, _, { reader }) => reader.read(secret.name, { stage: 'AWSCURRENT' });

const pending: Candidate = async ({ name, holding }, notice, { reader }) =>
  notice !== undefined && isReleased(notice, holding.identity.consumerId)
    ? reader.read(name, { versionId: notice.versionId })
    : undefined;

const held: Candidate = async ({ name, holding, value }, _, { reader, provers }) => {
  const versionId = holding.holds.find((held) => held !== value?.versionId && held !== ANY_VERSION);
  return versionId === undefined || !provers.has(name) ? undefined : reader.read(name, { versionId });
};
