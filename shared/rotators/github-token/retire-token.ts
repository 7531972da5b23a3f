import type { Clock } from '../../clock.ts';
import { EndsByItself, IncumbentRefused, SameAsSurvivor, StillAlive } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import { ownEnd } from '../provider-api/own-end.ts';
import type { RetireInput, RetireReport } from '../rotator.ts';
import type { GitHubApi } from './github-api.ts';
import { endOfLost } from './issue-token.ts';
import { isPersonal, isRevocable, parseTokenSecret } from './token-secret.ts';

const PROOF_MILLISECONDS = 20_000;
const AGAIN_MILLISECONDS = 1_000;
const BY_HAND =
  'A person must delete it in the settings of the account that made it; this retirement then proves it dead.';

/**
 * Revokes a token, as itself, and proves that GitHub refuses it; a person's, by asking GitHub for its revocation. One that
 * is refused already is dead, where the survivor is accepted, or that token's own end has passed. One whose value was never
 * stored is nobody's: it is waited for until it must have ended.
 *
 * Twice is harmless: a revoked token is refused.
 */
export async function retireToken(input: RetireInput, github: GitHubApi, clock: Clock): Promise<RetireReport> {
  const { identity, value } = input;
  if (value === undefined) return retireLost(input, clock);
  const { token } = parseTokenSecret(value, 'retired credential');
  const survivor = input.survivor === undefined ? undefined : parseTokenSecret(input.survivor, 'survivor').token;
  if (survivor?.reveal() === token.reveal()) {
    throw new SameAsSurvivor(`"${identity}" is the token that must go on working: it is not retired.`);
  }
  const isPast = (versionId: string | undefined) => ownEnd(input.known, versionId, clock.now()) !== undefined;
  if (isPast(input.versionId) && (await github.reach(token)) === undefined) return dead('it had ended before');
  const isSurvivorOver = survivor !== undefined && (await github.reach(survivor)) === undefined;
  if (isSurvivorOver && !isPast(input.survivorVersionId)) {
    throw new IncumbentRefused(`The token that must go on working is refused: "${identity}" is kept.`);
  }
  // Where everybody is refused, only a revocation proves anything.
  if (!isSurvivorOver && (await github.reach(token)) === undefined) return dead('it had ended before');
  if (isPersonal(token)) return endPersonal(token, identity, github, clock);
  const ended = await github.revoke(token);
  if (ended === 'not an installation token') {
    throw new StillAlive(
      `GitHub does not let "${identity}" revoke itself (HTTP 403): it is no installation token, or its installation is suspended. ${BY_HAND}`,
    );
  }
  await proveRefused(token, identity, github, clock);
  return dead(ended === 'revoked' ? 'revoked' : 'it had ended before');
}

/** Twice is harmless: one that is revoked is refused, and asked for no more. */
async function endPersonal(
  token: SecretText,
  identity: string,
  github: GitHubApi,
  clock: Clock,
): Promise<RetireReport> {
  const answer = isRevocable(token)
    ? await github.revokePersonal(token)
    : 'none of the forms that GitHub takes for that';
  if (answer !== 'accepted') {
    const told = typeof answer === 'number' ? `HTTP ${answer}` : answer;
    throw new StillAlive(
      `"${identity}" is a token made for a person, and ${github.place} does not revoke it for Rekey (${told}). ${BY_HAND}`,
    );
  }
  await proveRefused(token, identity, github, clock);
  return dead('revoked by GitHub, which has told its owner');
}

/** Its answer was lost, and GitHub names no tokens: it cannot be found, and nobody has it. */
function retireLost({ identity, versionId, known = [] }: RetireInput, clock: Clock): RetireReport {
  const issuance = known.find((entry) => entry.versionId === versionId)?.issuance;
  if (issuance === undefined) {
    throw new StillAlive(
      `The value of "${identity}" is gone, and nothing says when it was made: it can be neither ended nor tried.`,
    );
  }
  if (issuance.attempts === 0) return { refusedLogin: false, endedSessions: 0, facts: { token: 'never made' } };
  const end = endOfLost(issuance);
  if (clock.now() < end) {
    throw new EndsByItself(
      `"${identity}" was never stored, so nobody has it; it ends by itself before ${end.toISOString()}.`,
    );
  }
  return {
    refusedLogin: false,
    endedSessions: 0,
    facts: { token: `never stored; ended by itself before ${end.toISOString()}` },
  };
}

async function proveRefused(token: SecretText, identity: string, github: GitHubApi, clock: Clock): Promise<void> {
  const deadline = clock.now().getTime() + PROOF_MILLISECONDS;
  while ((await github.reach(token)) !== undefined) {
    if (clock.now().getTime() + AGAIN_MILLISECONDS > deadline) {
      throw new StillAlive(`"${identity}" is revoked, but GitHub still takes it after ${PROOF_MILLISECONDS / 1000} s.`);
    }
    await clock.sleep(AGAIN_MILLISECONDS);
  }
}

function dead(token: string): RetireReport {
  return { refusedLogin: true, endedSessions: 0, facts: { token } };
}
