import type { Clock } from '../../clock.ts';
import { IncumbentRefused, OrphanInDoubt, SameAsSurvivor, StillAlive } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import { ownEnd } from '../provider-api/own-end.ts';
import type { RetireInput, RetireReport } from '../rotator.ts';
import { fits } from './find-key.ts';
import { removeAttempts } from './issue-key.ts';
import { attemptOf, preliminaryIdentity } from './key-names.ts';
import type { KeyProvider, ListedKey } from './key-provider.ts';
import { type KeySecret, parseKeySecret } from './key-secret.ts';

/** "Revoking an API key takes effect within seconds": https://developers.openai.com/api/reference/overview */
const PROOF_MILLISECONDS = 20_000;
const AGAIN_MILLISECONDS = 1_000;

/**
 * Deletes a key by its id and proves that the provider refuses its value. Of a key whose value was never stored, all that
 * the version's attempts have left goes, by their names. Nothing is deleted unless the survivor works; nor a key of another
 * owner, or one that is not the value's.
 *
 * Twice is harmless: a key that is gone stays gone.
 */
export async function retireKey(input: RetireInput, provider: KeyProvider, clock: Clock): Promise<RetireReport> {
  const { identity, versionId, admin } = input;
  const value = input.value === undefined ? undefined : parseKeySecret(input.value, 'retired credential');
  const survivor = input.survivor === undefined ? undefined : parseKeySecret(input.survivor, 'survivor');
  assertNotSurvivor(identity, value, survivor);
  const keys = provider.administration(admin);
  const isRefused = survivor !== undefined && (await provider.tryKey(survivor.key)) === undefined;
  // One that has ended by itself, as it was to, goes on for nobody.
  if (isRefused && ownEnd(input.known, input.survivorVersionId, clock.now()) === undefined) {
    throw new IncumbentRefused(`The key that must go on working is refused: "${identity}" is kept.`);
  }
  const listed = await keys.keys();
  const found = keyOf(identity, versionId, value, listed);
  assertSame(identity, found, value, survivor);
  const removed = found === undefined ? 'gone' : await keys.remove(found.id);
  const lost = await removeAttempts(keys, versionId, lastLost(input, found), found?.id);
  if (value !== undefined) await proveRefused(value.key, identity, provider, clock);
  return {
    refusedLogin: value !== undefined,
    endedSessions: 0,
    facts: {
      key: removed === 'gone' ? 'it was gone' : 'deleted',
      ...(lost.length === 0 ? {} : { removed_from_lost_attempts: lost.join(', ') }),
    },
  };
}

function assertNotSurvivor(identity: string, value: KeySecret | undefined, survivor: KeySecret | undefined): void {
  if (survivor === undefined) return;
  if (survivor.keyId === identity || survivor.key.reveal() === value?.key.reveal()) {
    throw new SameAsSurvivor(`Key "${identity}" is the one that must go on working: it is not retired.`);
  }
}

/** By its id; a key that was stored before its id was written down, by its visible characters and its name. */
function keyOf(
  identity: string,
  versionId: string,
  value: KeySecret | undefined,
  listed: readonly ListedKey[],
): ListedKey | undefined {
  if (identity !== preliminaryIdentity(versionId)) return listed.find(({ id }) => id === identity);
  if (value === undefined) return undefined;
  return listed.find(
    ({ name, redacted }) => attemptOf(name, versionId) !== undefined && fits(redacted, value.key) === true,
  );
}

/** The journal's id and the value must be of one key, and not of the one that must go on. */
function assertSame(
  identity: string,
  found: ListedKey | undefined,
  value: KeySecret | undefined,
  survivor: KeySecret | undefined,
): void {
  if (found === undefined) return;
  if (value !== undefined && fits(found.redacted, value.key) === false) {
    throw new OrphanInDoubt(`Key "${identity}" is not the one whose value is to be retired: Rekey touches neither.`);
  }
  if (value === undefined && survivor !== undefined && fits(found.redacted, survivor.key) === true) {
    throw new OrphanInDoubt(`Key "${identity}" looks like the one that must go on working: Rekey does not touch it.`);
  }
}

/**
 * Up to which attempt everything that bears the version's name is nobody's. Of two tries at once the one that began later
 * goes on, so what an earlier attempt than the key's own has left is nobody's. Once the version is in its grace period, or
 * was never stored, no attempt goes on any more.
 */
function lastLost({ versionId, value, known = [] }: RetireInput, found: ListedKey | undefined): number {
  const entry = known.find((other) => other.versionId === versionId);
  const attempts = entry?.issuance?.attempts ?? 0;
  if (value === undefined || entry?.state === 'grace') return attempts;
  return Math.max(0, (found === undefined ? 0 : (attemptOf(found.name, versionId) ?? 0)) - 1);
}

async function proveRefused(key: SecretText, identity: string, provider: KeyProvider, clock: Clock): Promise<void> {
  const deadline = clock.now().getTime() + PROOF_MILLISECONDS;
  while ((await provider.tryKey(key)) !== undefined) {
    if (clock.now().getTime() + AGAIN_MILLISECONDS > deadline) {
      throw new StillAlive(
        `Key "${identity}" is not among the owner's keys, but ${provider.place} still takes it after ${PROOF_MILLISECONDS / 1000} s.`,
      );
    }
    await clock.sleep(AGAIN_MILLISECONDS);
  }
}
