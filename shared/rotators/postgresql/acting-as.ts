import { escapeIdentifier } from 'pg';
import type { Session } from './connect.ts';
import { type AskerFacts, VERSION_16 } from './role-facts.ts';

interface Membership {
  readonly mayBecome: boolean;
  /** `INHERIT` of a membership that the asking role gave to itself without `SET`. */
  readonly inherits: boolean | null;
}

/**
 * Does `work` as `role`, in the transaction that the session is in. A superuser needs not; who may administer the role
 * and not become it takes the membership for as long as the work lasts.
 */
export async function actingAs(
  session: Session,
  { asker, role }: { readonly asker: AskerFacts; readonly role: string },
  work: () => Promise<unknown>,
): Promise<void> {
  if (asker.superuser) {
    await work();
    return;
  }
  const isModern = asker.versionNumber >= VERSION_16;
  const { mayBecome, inherits } = await readMembership(session, role, isModern);
  const name = escapeIdentifier(role);
  const take = `GRANT ${name} TO CURRENT_USER${isModern ? ` WITH SET TRUE, INHERIT ${inherits ?? false}` : ''}`;
  const giveBack =
    inherits === null ? `REVOKE ${name} FROM CURRENT_USER` : `GRANT ${name} TO CURRENT_USER WITH SET FALSE`;
  if (!mayBecome) await session.query('taking the membership in the owner role', take);
  await session.query('becoming the owner role', `SET LOCAL ROLE ${name}`);
  await work();
  await session.query('becoming the administrator again', 'RESET ROLE');
  if (!mayBecome) await session.query('giving back the membership in the owner role', giveBack);
}

async function readMembership(session: Session, role: string, isModern: boolean): Promise<Membership> {
  const [membership] = await session.query<Membership>(
    'reading the membership in the owner role',
    `SELECT pg_has_role(current_user, r.oid, '${isModern ? 'SET' : 'MEMBER'}') AS "mayBecome",
            ${
              isModern
                ? `(SELECT m.inherit_option FROM pg_auth_members m, pg_roles me
                     WHERE me.rolname = current_user AND m.roleid = r.oid AND m.member = me.oid AND m.grantor = me.oid)`
                : 'NULL::boolean'
            } AS inherits
       FROM pg_roles r WHERE r.rolname = $1`,
    [role],
  );
  return membership ?? { mayBecome: false, inherits: null };
}
