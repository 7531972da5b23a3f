import { Misconfigured } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { Session } from './connect.ts';
import { isMember, readRoles, type RoleFacts } from './role-facts.ts';
import { isManaged, ownerReadFor, ownerRoleFor, readManaged, readOnlyRoleOf, slotsOf } from './role-names.ts';

export interface Arrangement {
  /** The role whose privileges the application has, and that owns what it makes. */
  readonly ownerRole: string;
  /** The role that may read what the owner can, and nothing else. */
  readonly readOnlyRole: string;
  /** Which of the two the candidate's sessions act as. */
  readonly sessionRole: string;
  /** The login role whose turn it is. */
  readonly candidate: string;
}

/**
 * Who owns, and whose turn it is. The owner is, in this order: the configured one; the role that the incumbent's
 * sessions become (`SET role`), or, where that only reads, whose objects it reads; the incumbent itself, when it is taken
 * over. Never guessed from a name's suffix.
 */
export async function arrange(
  session: Session,
  settings: RotatorSettings,
  incumbent: RoleFacts | undefined,
): Promise<Arrangement> {
  const ownerRole = await ownerOf(session, settings, incumbent);
  const [first, second] = slotsOf(ownerRole);
  const readOnlyRole = readOnlyRoleOf(ownerRole);
  return {
    ownerRole,
    readOnlyRole,
    sessionRole: settings.privileges === 'read_only' ? readOnlyRole : ownerRole,
    candidate: incumbent?.name === first ? second : first,
  };
}

async function ownerOf(session: Session, settings: RotatorSettings, incumbent: RoleFacts | undefined): Promise<string> {
  const configured = settings.connection?.ownerRole;
  if (incumbent === undefined) return configured ?? ownerRoleFor(settings.secretId);
  const isOurs = readManaged(incumbent.comment, settings.secretId) !== undefined;
  if (!isOurs && isManaged(incumbent.comment)) {
    throw new Misconfigured(`Role "${incumbent.name}" is managed by Rekey for another secret; its comment says which.`);
  }
  const readFor = await ownerThatIsRead(session, settings.secretId, incumbent);
  const named = configured ?? readFor ?? incumbent.setRole;
  if (named !== null) {
    if (named === incumbent.name || named === readFor) return named;
    if (await isMember(session, incumbent.name, named)) return named;
    throw new Misconfigured(`Role "${incumbent.name}" is not a member of its owner role "${named}".`);
  }
  if (isOurs) {
    throw new Misconfigured(
      `Role "${incumbent.name}" was made by Rekey but has lost its SET role; declare owner_role in secrets.yaml.`,
    );
  }
  return incumbent.name;
}

/** The owner role, where the incumbent's sessions act as the read-only role that Rekey made for it. */
async function ownerThatIsRead(
  session: Session,
  secretId: string,
  { name, setRole }: RoleFacts,
): Promise<string | undefined> {
  if (setRole === null) return undefined;
  const owner = ownerReadFor((await readRoles(session, [setRole])).get(setRole)?.comment ?? null, secretId);
  return owner !== undefined && (await isMember(session, name, setRole)) ? owner : undefined;
}
