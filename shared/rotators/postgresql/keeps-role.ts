import { CandidateUnproven } from '../../errors.ts';
import type { Session } from './connect.ts';

/**
 * Proves that the candidate's sessions act as the same role after what pools send between two clients. A server that
 * loses what `ALTER ROLE … SET role` has set makes them act as the login itself, which then owns what they make: throws
 * `CandidateUnproven`. To be asked last: the session begins anew.
 */
export async function assertKeepsRole(session: Session): Promise<void> {
  const before = await roleOf(session);
  await session.query('clearing the session as a pool does', 'DISCARD ALL');
  const after = await roleOf(session);
  if (after === before) return;
  // CVE-2024-10978, and what its first fix had broken: https://www.postgresql.org/docs/release/17.2/
  throw new CandidateUnproven(
    `After DISCARD ALL, which pools send between two clients, the candidate's sessions act as role "${after}", not as "${before}": upgrade the server to a minor release of 21 November 2024 or later (17.2, 16.6, 15.10, 14.15, 13.18, 12.22).`,
  );
}

async function roleOf(session: Session): Promise<string | undefined> {
  const [found] = await session.query<{ role: string }>(
    'reading the role of the session',
    'SELECT current_user::text AS role',
  );
  return found?.role;
}
