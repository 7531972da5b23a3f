import type { AuditOperation } from '../audit/audit-trail.ts';
import { Misconfigured, Throttled } from '../errors.ts';
import type { Registry, SecretRecord } from './registry.ts';

const ATTEMPTS = 8;

/** The record of a secret that must be there. Throws `Misconfigured` when it is not registered. */
export async function requireRecord(registry: Registry, secretId: string): Promise<SecretRecord> {
  const record = await registry.get(secretId);
  if (record === undefined) throw new Misconfigured(`The secret "${secretId}" is not registered in this environment.`);
  return record;
}

/**
 * Applies `change` to the record by compare-and-swap, again on a fresh copy when another writer came first.
 * `change` may run several times: it has no effects. Answering the same object means that there is nothing to write but `entries`.
 * Pass the copy already in hand as `known` to save a read; `entries` go into the audit chain with it.
 */
export async function updateRecord(
  registry: Registry,
  secretId: string,
  change: (record: SecretRecord) => SecretRecord,
  known?: SecretRecord,
  entries?: readonly AuditOperation[],
): Promise<SecretRecord> {
  let record = known ?? (await requireRecord(registry, secretId));
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const changed = change(record);
    if (changed === record && entries === undefined) return record;
    if ((await registry.save(changed, entries === undefined ? {} : { entries })) === 'saved')
      return { ...changed, revision: changed.revision + 1 };
    record = await requireRecord(registry, secretId);
  }
  throw new Throttled(`The registry entry of "${secretId}" is being changed by too many writers at once.`);
}
