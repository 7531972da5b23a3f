import { closest, distance } from 'fastest-levenshtein';

/** The allowed text that somebody probably meant, if one is near enough to be worth asking about. */
export function nearest(text: string, allowed: readonly string[]): string | undefined {
  if (text.length === 0 || text.length > 64 || allowed.length === 0) return undefined;
  const wanted = text.trim().toLowerCase().replace(/[- ]+/g, '_');
  const candidate = closest(wanted, allowed);
  return distance(wanted, candidate) <= Math.max(1, Math.floor(candidate.length / 3)) ? candidate : undefined;
}
