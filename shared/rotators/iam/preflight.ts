import { IncumbentRefused, Misconfigured } from '../../errors.ts';
import type { Preflight, PreflightInput, RotatorSettings } from '../rotator.ts';
import { assertKeyOnce, type AccessKey, parseAccessKey } from './access-key-json.ts';
import { type Caller, expectedCaller, isSameUser } from './caller.ts';
import { declaredUser } from './declared-user.ts';
import type { IamContext } from './iam-context.ts';
import { assertSlotFree, MOST_KEYS } from './slot.ts';
import { type UserKey, withUserKeys } from './user-keys.ts';

/**
 * The user is there, the incumbent is an active key of this very user and works, and there is room for one more key.
 * Answers the ids of all keys there are: a new key cannot be named, so this is how one is told from the others later.
 */
export async function preflightIam(input: PreflightInput, context: IamContext): Promise<Preflight> {
  const { settings, admin, versionId, known } = input;
  const user = declaredUser(settings);
  const incumbent = input.incumbent === undefined ? undefined : parseAccessKey(input.incumbent, 'incumbent');
  if (incumbent !== undefined) assertKeyOnce(incumbent);
  return withUserKeys({ settings, admin, ...context }, async (keys) => {
    const owner = await keys.owner();
    const listed = await keys.list();
    if (incumbent !== undefined) await assertIncumbent({ incumbent, owner, listed, user }, context);
    await assertSlotFree(keys, { listed, versionId, incumbentId: incumbent?.id, known });
    return {
      candidate: `new key of ${user} for ${versionId}`,
      incumbent: incumbent?.id,
      existing: listed.map(({ id }) => id),
      facts: {
        user: owner.arn,
        administrator: admin === undefined ? "Rekey's own role" : 'the key of admin_secret',
        access_keys: `${listed.length} of ${MOST_KEYS}`,
        ...narrowing(settings),
      },
    };
  });
}

async function assertIncumbent(
  {
    incumbent,
    owner,
    listed,
    user,
  }: {
    readonly incumbent: AccessKey;
    readonly owner: Caller;
    readonly listed: readonly UserKey[];
    readonly user: string;
  },
  { aws, clock }: IamContext,
): Promise<void> {
  const { id } = incumbent;
  const key = listed.find((candidate) => candidate.id === id);
  if (key !== undefined && key.status !== 'Active') {
    throw new IncumbentRefused(`The incumbent, access key ${id} of IAM user "${user}", is ${key.status}.`);
  }
  const caller = await expectedCaller(incumbent, aws, clock);
  if (caller === 'refused') {
    throw new IncumbentRefused(`AWS refuses the incumbent, access key ${id}: the key is gone, or its secret is wrong.`);
  }
  if (!isSameUser(caller, owner)) {
    throw new Misconfigured(
      `The incumbent, access key ${id}, is a key of ${caller.arn}, but provider.user names ${owner.arn}.`,
    );
  }
}

/** A key has the policies of its user, all of them: what is declared beside it changes nothing. */
function narrowing({ permissions, scope }: RotatorSettings): Readonly<Record<string, string>> {
  if (permissions === undefined && scope === undefined) return {};
  return { permissions: 'not narrowed: an access key can do what the policies of its user allow' };
}
