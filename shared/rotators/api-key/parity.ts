import { CandidateUnproven } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { Abilities, KeyProvider, TriedKey } from './key-provider.ts';

/**
 * That a key may do what its declared permissions name, as far as a request that costs nothing shows it: else
 * `CandidateUnproven`. A key that authenticates and may do nothing would lock everybody out.
 */
export async function assertPermitted(provider: KeyProvider, candidate: SecretText): Promise<void> {
  const promised = Object.entries(provider.promised());
  if (promised.length === 0) return;
  const may = await provider.abilities(candidate, [...new Set(promised.flatMap(([, requests]) => requests))]);
  const missing = promised.filter(([, requests]) => requests.some((request) => may?.[request] !== true));
  if (missing.length === 0) return;
  const named = missing.map(([permission, requests]) => `${permission} (${requests.join(', ')})`);
  throw new CandidateUnproven(
    `The candidate was made with permissions that it turns out not to have: ${named.join('; ')}. See their names, and what the owner of the keys may do.`,
  );
}

/**
 * Compares what the provider says of the candidate with what it says of the incumbent: where their use is counted, and
 * which requests each may make. With permissions a candidate may be narrower, as declared, but not so that it may do
 * nothing that can be tried where the incumbent may. Throws `CandidateUnproven`; answers what was compared.
 */
export async function assertParity(work: {
  readonly provider: KeyProvider;
  readonly candidate: SecretText;
  readonly incumbent: SecretText;
  readonly tried: TriedKey;
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
  const [may, might] = [await provider.abilities(candidate), await provider.abilities(incumbent)];
  if (might === undefined) return compared;
  if (isNarrowed) {
    if (allowed(may).length === 0 && allowed(might).length > 0) {
      throw new CandidateUnproven(
        `The candidate may do nothing that can be tried; the incumbent may: ${allowed(might).join(', ')}. See the names of the declared permissions.`,
      );
    }
    return compared;
  }
  const differ = Object.keys(might).filter((request) => may?.[request] !== might[request]);
  if (differ.length > 0) {
    throw new CandidateUnproven(
      `The candidate and the incumbent may not do the same: ${differ.join(', ')}. Declare permissions.`,
    );
  }
  return [...compared, ...Object.keys(might)];
}

function allowed(abilities: Abilities = {}): readonly string[] {
  return Object.keys(abilities).filter((request) => abilities[request] === true);
}
