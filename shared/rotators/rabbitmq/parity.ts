import { CandidateUnproven } from '../../errors.ts';
import { readRights, readUser, type Rights } from './broker-user.ts';
import type { Management } from './management.ts';
import { COMPARED, rightsDifferences } from './rights.ts';

const NAMED_DIFFERENCES = 10;

/**
 * Compares what the broker knows of both users: tags, limits, and the permissions in every virtual host. Throws
 * `CandidateUnproven` that names what differs, never the patterns.
 */
export async function assertParity(
  management: Management,
  { candidate, incumbent }: { readonly candidate: string; readonly incumbent: string },
): Promise<readonly string[]> {
  const differences = rightsDifferences(await rightsOf(management, candidate), await rightsOf(management, incumbent));
  if (differences.length === 0) return COMPARED;
  const rest = differences.length > NAMED_DIFFERENCES ? ' and more' : '';
  throw new CandidateUnproven(
    `The candidate and the incumbent differ in: ${differences.slice(0, NAMED_DIFFERENCES).join(', ')}${rest}.`,
  );
}

async function rightsOf(management: Management, name: string): Promise<Rights> {
  const user = await readUser(management, name);
  if (user !== undefined) return readRights(management, user);
  throw new CandidateUnproven(`User ${JSON.stringify(name)}, one of the two to compare, does not exist.`);
}
