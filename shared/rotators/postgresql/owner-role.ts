import { Misconfigured } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { Session } from './connect.ts';
import { isMember, type RoleFacts } from './role-facts.ts';
import { isManaged, ownerRoleFor, readManaged, slotsOf } from './role-names.ts';

export interface Arrangement {
  /** The role whose privileges the application has, and that owns what it makes. */
  readonly ownerRole: string;
  /** The login role whose turn it is. */
  readonly candidate: string;
}

/**
 * Who owns, and whose turn it is. The owner is, in this order: the configured one; the role that the incumbent's
 * sessions become (`SET role`); the incumbent itself, when it is taken over. Never guessed from a name's suffix.
 */
export async function arrange(
  session: Session,
  settings: RotatorSettings,
  incumbent: RoleFacts | undefined,
): Promise<Arrangement> {
  const ownerRole = await ownerOf(session, settings, incumbent);
  const [first, second] = slotsOf(ownerRole);
  return { ownerRole, candidate: incumbent?.name === first ? second : first };
}

async function ownerOf(session: Session, settings: RotatorSettings, incumbent: RoleFacts | undefined): Promise<string> {
  const configured = settings.connection?.ownerRole;
  if (incumbent === undefined) return configured ?? ownerRoleFor(settings.secretId);
  const isOurs = readManaged(incumbent.comment, settings.secretId) !== undefined;
  if (!isOurs && isManaged(incumbent.comment)) {
    throw new Misconfigured(`Role "${incumbent.name}" is managed by Rekey for another secret; its comment says which.`);
  }
  const named = configured ?? incumbent.setRole;
  if (named !== null) {
    if (named === incumbent.name || (await isMember(session, incumbent.name, named))) return named;
    throw new Misconfigured(`Role "${incumbent.name}" is not a member of its owner role "${named}".`);
  }
  if (isOurs) {
    throw new Misconfigured(
      `Role "${incumbent.name}" was made by Rekey but has lost its SET role; declare owner_role in secrets.yaml.`,
    );
  }
  return incumbent.name;
}
