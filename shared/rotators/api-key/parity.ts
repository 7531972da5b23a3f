import { CandidateUnproven } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { KeyProvider, TriedKey } from './key-provider.ts';

/**
 * Compares what the provider says of the candidate with what it says of the incumbent: where their use is counted, and,
 * unless permissions are declared, which requests each may make. Throws `CandidateUnproven`; answers what was compared.
 */
export async function assertParity(work: {
  readonly provider: KeyProvider;
  readonly candidate: SecretText;
  readonly incumbent: SecretText;
  readonly tried: TriedKey;
  /** With `permissions` a candidate may be narrower, as declared. */
  readonly isNarrowed: boolean;
}): Promise<readonly string[]> {
  const { provider, candidate, incumbent, tried, isNarrowed } = work;
  const other = await provider.tryKey(incumbent);
  // Revoked by others meanwhile: there is nothing to compare with.
  if (other === undefined) return [];
  const compared: string[] = [];
  if (tried.belongsTo !== undefined && other.belongsTo !== undefined) {
    if (tried.belongsTo !== other.belongsTo) {
      throw new CandidateUnproven(`The candidate belongs to ${tried.belongsTo}, the incumbent to ${other.belongsTo}.`);
    }
    compared.push('project');
  }
  if (isNarrowed) return compared;
  const [may, might] = [await provider.abilities(candidate), await provider.abilities(incumbent)];
  if (might === undefined) return compared;
  const differ = Object.keys(might).filter((request) => may?.[request] !== might[request]);
  if (differ.length > 0) {
    throw new CandidateUnproven(
      `The candidate and the incumbent may not do the same: ${differ.join(', ')}. Declare permissions.`,
    );
  }
  return [...compared, ...Object.keys(might).map((request) => `reading ${request}`)];
}
