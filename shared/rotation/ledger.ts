import type { LedgerCredential, SecretRecord } from '../registry/registry.ts';
import type { CredentialIdentity } from '../rotators/rotator.ts';

type State = LedgerCredential['state'];

/** What a credential carries that is neither in its grace nor a debt. */
export const NOTHING_OWED = {
  retireAt: undefined,
  owedSince: undefined,
  owedAlertAt: undefined,
  owedTriedAt: undefined,
  doubt: undefined,
} as const;

/** The ledger's entry for a version. */
export function credential(record: SecretRecord, versionId: string | undefined): LedgerCredential | undefined {
  return record.ledger.find((entry) => entry.versionId === versionId);
}

/** Retired entries that are kept, where identities are never used again. */
const RETIRED_KEPT = 10;

/**
 * The record with a credential written into its ledger, in place of the entry of the same version. A retired entry of
 * the same identity goes: its place at the target is taken, so the ledger stays as short as what exists. Of other retired
 * ones the last are kept; and all that are to be proved dead again.
 */
export function withCredential<R extends SecretRecord>(
  record: R,
  entry: {
    readonly identity: CredentialIdentity;
    readonly versionId: string;
    readonly state: State;
  } & Partial<LedgerCredential>,
): R {
  const others = record.ledger.filter(
    (other) => other.versionId !== entry.versionId && !(isOver(other) && other.identity === entry.identity),
  );
  const retired = others.filter(isOver);
  const forgotten = new Set(retired.slice(0, Math.max(0, retired.length - RETIRED_KEPT)));
  const kept = others.filter((other) => !forgotten.has(other));
  return { ...record, ledger: [...kept, { ...NOTHING_OWED, ...entry }] };
}

/** Proved dead, and nothing of its rotation ran any more then. */
export function isOver({ state, retireAt }: LedgerCredential): boolean {
  return state === 'retired' && retireAt === undefined;
}

/** The record with one entry changed; the same record when there is no such entry. */
export function withCredentialChange<R extends SecretRecord>(
  record: R,
  versionId: string,
  change: Partial<LedgerCredential>,
): R {
  const entry = credential(record, versionId);
  if (entry === undefined) return record;
  return { ...record, ledger: record.ledger.map((other) => (other === entry ? { ...entry, ...change } : other)) };
}

/**
 * The record in which the credential of `versionId` is that of version `by`: it is the same one, so it has one entry, which
 * is current. Identities that are made of a version (where the target gives credentials no name) follow.
 */
export function withSuperseded<R extends SecretRecord>(record: R, versionId: string, by: string): R {
  const entry = credential(record, versionId);
  if (entry === undefined || versionId === by) return record;
  const others = record.ledger.filter((other) => other !== entry);
  // The names of its attempts are those of the old version.
  const { issuance: _, ...kept } = entry;
  const renamed = { ...kept, versionId: by, identity: entry.identity.replaceAll(versionId, () => by) };
  const known = others.find((other) => other.versionId === by);
  if (known?.state === 'proposed') return { ...record, ledger: others };
  const current = { ...(known ?? renamed), ...NOTHING_OWED, state: 'current' as const };
  return { ...record, ledger: [...others.filter((other) => other !== known), current] };
}

/** Credentials that should be dead by `now`, and those to be proved so again. */
export function overdue(record: SecretRecord, now: Date): readonly LedgerCredential[] {
  return record.ledger.filter(({ state, retireAt }) => isMortal(state) && retireAt !== undefined && retireAt <= now);
}

/** Whether a credential in this state that has a `retireAt` gets a retirement. */
export function isMortal(state: State): boolean {
  return state === 'grace' || state === 'retired';
}
