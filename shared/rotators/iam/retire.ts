import { IncumbentRefused, Misconfigured, StillAlive } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { RetireInput, RetireReport } from '../rotator.ts';
import { isKeyId, parseAccessKey, type StoredKey } from './access-key-json.ts';
import { callerOf, expectedCaller } from './caller.ts';
import { isUserArn } from './declared-user.ts';
import { endKey, type EndedKey, untilRefused } from './end-key.ts';
import type { IamContext } from './iam-context.ts';
import { endLeftovers } from './leftovers.ts';
import { type UserKeys, withUserKeys } from './user-keys.ts';

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
  const survivorId = await provenSurvivor(input.survivor, context);
  const ids = new Set([value?.id, input.identity].filter((id) => id !== undefined && isKeyId(id)) as string[]);
  for (const id of ids) assertNotInUse(id, input, survivorId);
  return withUserKeys({ settings, admin, aws: context.aws }, async (keys) => {
    const ended = new Map<string, EndedKey>();
    for (const id of ids) {
      const proof = value?.id === id ? { isRefused: () => isRefused(value, keys.user, context) } : {};
      ended.set(id, await endKey({ keys, clock: context.clock, id, ...proof }));
    }
    const leftovers = value === undefined ? await endLost(keys, input, survivorId, context) : [];
    if (value !== undefined) await untilRefused(context.clock, value.id, () => isRefused(value, keys.user, context));
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
  if (id !== survivorId && !isCurrent) return;
  throw new Misconfigured(`Access key ${id} is to be ended, but the version that goes on has the same key.`);
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

async function endLost(
  keys: UserKeys,
  { versionId, known = [] }: RetireInput,
  survivorId: string | undefined,
  { clock }: IamContext,
): Promise<readonly string[]> {
  const issuance = known.find((entry) => entry.versionId === versionId)?.issuance;
  if (issuance === undefined || issuance.attempts < 1) return [];
  return endLeftovers(
    { keys, clock },
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
