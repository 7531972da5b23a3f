import type { ConsumerLink } from '../shared/rollout/consumer-link.ts';
import type { RolloutNotice } from '../shared/rollout/notice.ts';
import type { ClientClock } from './client-clock.ts';
import { decide, type Step } from './decide.ts';
import { SecretUnavailable } from './errors.ts';
import type { FollowedSecret } from './followed-secret.ts';
import type { SecretReader, SecretReading } from './secret-reader.ts';
import type { SecretValue } from './secret-value.ts';

/** A value that has been announced, and is now to be proved and taken into use. */
export interface Change {
  readonly secret: FollowedSecret;
  readonly value: SecretValue;
  /** The notice it was announced under. */
  readonly notice: RolloutNotice | undefined;
  /** What is answered when it is in use; `undefined` where nobody waits for an answer. */
  readonly outcome: 'acknowledged' | 'returned' | undefined;
}

export interface ChangePorts {
  readonly link: ConsumerLink;
  readonly reader: SecretReader;
  readonly clock: ClientClock;
}

/** What for a value is fetched; it is in the reports of uses. */
export type FetchReason = 'startup' | 'rollout' | 'reload' | 'refused';

const RACES = 5;
/** Secrets Manager is eventually consistent; labels settle within a second or two. */
const READS_AT_START = 5;
const READ_AGAIN_MILLISECONDS = 1000;
const OLD_READS = 3;

/**
 * Holds whatever carries AWSCURRENT, then reads it: what is read may have been replaced meanwhile, but not ended.
 * Drops the value that was in use before. Throws `SecretUnavailable`.
 */
export async function startChange(secret: FollowedSecret, ports: ChangePorts, reason: FetchReason): Promise<Change> {
  const { link } = ports;
  for (let race = 0; race < RACES; race += 1) {
    const notice = await link.notice(secret.name);
    secret.drop();
    secret.undone();
    if ((await secret.holding.begin(notice?.sequence ?? 0)) === 'superseded') continue;
    const value = await readAtStart(secret, notice, ports);
    countFetch(secret, value, reason);
    return { secret, value, notice, outcome: undefined };
  }
  throw new SecretUnavailable(`The notice of "${secret.name}" changed ${RACES} times while it was opened.`);
}

async function readAtStart(
  secret: FollowedSecret,
  notice: RolloutNotice | undefined,
  ports: ChangePorts,
): Promise<SecretValue> {
  for (let reads = 1; ; reads += 1) {
    const current = await ports.reader.read(secret.name, { stage: 'AWSCURRENT' });
    const fits = current !== undefined && (await fittingValue(current, notice, secret, ports));
    if (fits) return fits;
    if (reads < READS_AT_START) {
      await ports.clock.sleep(READ_AGAIN_MILLISECONDS);
      continue;
    }
    if (current === undefined) {
      throw new SecretUnavailable(`The secret "${secret.name}" does not exist here, or has no current value.`);
    }
    // Somebody moved the label past Rekey: what it says counts.
    return current.value;
  }
}

/**
 * Does what `seen` says as far as it goes without proof: decides, fetches, announces. `undefined` when there is nothing
 * to prove now: done, or to be tried again with the next poll.
 */
export async function prepareChange(
  secret: FollowedSecret,
  seen: RolloutNotice,
  ports: ChangePorts,
): Promise<Change | undefined> {
  // An eventually consistent read may lag behind what has been acted on already.
  let notice = seen.sequence < secret.acted ? await ports.link.notice(secret.name) : seen;
  for (let race = 0; race < RACES; race += 1) {
    const inUse = secret.value;
    if (notice === undefined || inUse === undefined || secret.isDone(notice)) return undefined;
    const { consumerId } = secret.holding.identity;
    const step = decide(notice, { consumerId, versionId: inUse.versionId, answered: secret.answered });
    if (step === 'nothing') return noted(secret, notice);
    const outcome = step === 'go_back' ? 'returned' : 'acknowledged';
    if (step === 'acknowledge' || step === 'prove_again') return { secret, value: inUse, notice, outcome };
    const value = await valueFor(step, { notice, secret, inUse }, ports);
    if (value === undefined) return undefined;
    if ((await secret.holding.announce(value.versionId, notice.sequence)) === 'announced') {
      return { secret, value, notice, outcome };
    }
    notice = await ports.link.notice(secret.name);
  }
  return undefined;
}

function noted(secret: FollowedSecret, { sequence }: RolloutNotice): undefined {
  secret.done(sequence);
  secret.holding.keep(secret.holding.holds, sequence);
}

async function valueFor(
  step: Extract<Step, 'take' | 'go_back' | 'settle'>,
  about: { readonly notice: RolloutNotice; readonly secret: FollowedSecret; readonly inUse: SecretValue },
  ports: ChangePorts,
): Promise<SecretValue | undefined> {
  const { notice, secret, inUse } = about;
  const value =
    step === 'take'
      ? (await ports.reader.read(secret.name, { versionId: notice.versionId }))?.value
      : await currentValue(secret, notice, ports);
  if (value === undefined) return undefined;
  countFetch(secret, value, step === 'settle' ? 'reload' : 'rollout');
  if (value.versionId !== inUse.versionId) return value;
  // The label is not where the notice says; asked again, less and less often.
  secret.failed(notice.sequence);
  return undefined;
}

async function currentValue(
  secret: FollowedSecret,
  notice: RolloutNotice,
  ports: ChangePorts,
): Promise<SecretValue | undefined> {
  const current = await ports.reader.read(secret.name, { stage: 'AWSCURRENT' });
  if (current === undefined) return undefined;
  const fits = await fittingValue(current, notice, secret, ports);
  if (fits !== undefined || notice.state !== 'settled') return fits;
  return secret.oldReads(notice.sequence) > OLD_READS ? current.value : undefined;
}

/** The value that carries AWSCURRENT as the notice has it; `undefined` while a read may be an old one. */
async function fittingValue(
  current: SecretReading,
  notice: RolloutNotice | undefined,
  secret: FollowedSecret,
  { reader }: ChangePorts,
): Promise<SecretValue | undefined> {
  if (notice === undefined || notice.state === 'rolling') return current.value;
  const isNamed = current.value.versionId === notice.versionId;
  if (notice.state === 'returning') return isNamed ? undefined : current.value;
  if (isNamed) return current.value;
  const named = await reader.read(secret.name, { versionId: notice.versionId });
  return named?.stages.includes('AWSCURRENT') === true ? named.value : undefined;
}

export function countFetch({ uses }: FollowedSecret, { versionId }: SecretValue, reason: FetchReason): void {
  uses.count({ action: 'fetched', reason, versionId, count: 1 });
}
