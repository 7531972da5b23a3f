import { IncumbentRefused, Misconfigured, SameAsSurvivor, StillAlive } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { KnownCredential, RetireInput, RetireReport } from '../rotator.ts';
import { isKeyId, parseAccessKey, type StoredKey } from './access-key-json.ts';
import { madeBy } from './attempts.ts';
import { callerOf, expectedCaller } from './caller.ts';
import { isUserArn } from './declared-user.ts';
import { endKey, type EndedKey } from './end-key.ts';
import type { IamContext } from './iam-context.ts';
import { endLeftovers } from './leftovers.ts';
import { LONGEST_WAIT_MILLISECONDS, settled } from './spread.ts';
import { type UserKeys, withUserKeys } from './user-keys.ts';
import { Wait } from './wait.ts';

/**
 * Ends the key that the value is, and the one that the ledger names for it: disabled, refused, deleted. Without a value,
 * also what lost attempts have left, as `issue` would find it. No other key is touched, and none before the survivor has
 * been proved. AWS has no sessions of an access key to end; temporary credentials that were made with it go with it.
 *
 * Twice is harmless: a key that is gone is gone, and its value is tried again.
 */
export async function retireIam(input: RetireInput, context: IamContext): Promise<RetireReport> {
  const { settings, admin } = input;
  const value = input.value === undefined ? undefined : parseAccessKey(input.value, 'retired credential');
  const wait = new Wait(context.clock, LONGEST_WAIT_MILLISECONDS);
  const survivorId = await provenSurvivor(input.survivor, context);
  // The value's last: it is refused for good only some seconds after it was disabled.
  const ids = new Set([input.identity, value?.id].filter((id) => id !== undefined && isKeyId(id)) as string[]);
  for (const id of ids) assertNotInUse(id, input, survivorId);
  return withUserKeys({ settings, admin, ...context }, async (keys) => {
    const ended = new Map<string, EndedKey>();
    for (const id of ids) {
      const proof = value?.id === id ? { isRefused: () => isRefused(value, keys.user, context) } : {};
      const settledMilliseconds = settled(wait, madeBy(entryOf(id, input)));
      ended.set(id, await endKey({ keys, wait, id, settledMilliseconds, ...proof }));
    }
    const leftovers = value === undefined ? await endLost(keys, wait, input, survivorId) : [];
    return {
      refusedLogin: value !== undefined,
      endedSessions: 0,
      facts: { user: keys.user, ...factsOf(ended, leftovers) },
    };
  });
}

async function provenSurvivor(
  survivor: SecretText | undefined,
  { aws, clock }: IamContext,
): Promise<string | undefined> {
  if (survivor === undefined) return undefined;
  const key = parseAccessKey(survivor, 'survivor');
  if ((await expectedCaller(key, aws, clock)) !== 'refused') return key.id;
  throw new IncumbentRefused(`AWS refuses access key ${key.id}, which must go on working: nothing was ended.`);
}

function assertNotInUse(id: string, { versionId, known = [] }: RetireInput, survivorId: string | undefined): void {
  const isCurrent = known.some(
    (entry) => entry.identity === id && entry.versionId !== versionId && entry.state === 'current',
  );
  if (id === survivorId) {
    throw new SameAsSurvivor(`Access key ${id} is to be ended, but the version that goes on has the same key.`);
  }
  if (isCurrent) throw new Misconfigured(`Access key ${id} is to be ended, but the ledger calls it current.`);
}

/** Throws `StillAlive` when it opens somebody else's account or user: there is nothing here by which that would change. */
async function isRefused(value: StoredKey, user: string, { aws }: IamContext): Promise<boolean> {
  const caller = await callerOf(value, aws);
  if (caller === 'refused') return true;
  if (isUserArn(caller.arn, user)) return false;
  throw new StillAlive(
    `Access key ${value.id} is one of ${caller.arn}, not of IAM user "${user}": Rekey leaves it alone.`,
  );
}

/** What the ledger knows of a key: by its id, or, where the record does not have that yet, by its version. */
function entryOf(id: string, { versionId, known = [] }: RetireInput): KnownCredential | undefined {
  return known.find(({ identity }) => identity === id) ?? known.find((entry) => entry.versionId === versionId);
}

async function endLost(
  keys: UserKeys,
  wait: Wait,
  { versionId, known = [] }: RetireInput,
  survivorId: string | undefined,
): Promise<readonly string[]> {
  const issuance = known.find((entry) => entry.versionId === versionId)?.issuance;
  if (issuance === undefined || issuance.attempts < 1) return [];
  return endLeftovers(
    { keys, wait },
    { versionId, known, issuance, attempts: issuance.attempts, spared: [survivorId] },
  );
}

function factsOf(ended: ReadonlyMap<string, EndedKey>, leftovers: readonly string[]): Readonly<Record<string, string>> {
  const facts: Record<string, string> = {};
  for (const [id, { wasThere, lastUse }] of ended) {
    facts['access_key'] = `${id}: ${wasThere ? 'disabled, then deleted' : 'was gone'}`;
    if (typeof lastUse === 'string') facts['last_used'] = lastUse;
    else {
      facts['last_used'] = lastUse.at.toISOString();
      facts['last_used_service'] = lastUse.service;
      facts['last_used_region'] = lastUse.region;
    }
  }
  if (leftovers.length > 0) facts['removed_leftovers'] = leftovers.join(', ');
  else if (ended.size === 0) facts['access_key'] = 'none was found that this rotation made';
  return facts;
}
