/** The name that Rekey gives to what one attempt makes: found again by it when the answer is lost. */
export function nameOfAttempt(versionId: string, attempt: number): string {
  return `rekey ${versionId} ${attempt}`;
}

/** The attempt for which a key was made; `undefined` where its name is not exactly one that Rekey gave for the version. */
export function attemptOf(name: string, versionId: string): number | undefined {
  const prefix = `rekey ${versionId} `;
  if (!name.startsWith(prefix)) return undefined;
  const attempt = Number(name.slice(prefix.length));
  return Number.isInteger(attempt) && attempt > 0 && name === nameOfAttempt(versionId, attempt) ? attempt : undefined;
}

/** What stands for the key in the ledger until the provider has said its id. No id has blanks. */
export function preliminaryIdentity(versionId: string): string {
  return `key for ${versionId}`;
}
