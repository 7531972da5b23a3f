import type { AuditHead, AuditTrail } from './audit-trail.ts';
import { GENESIS } from './chain.ts';
import { type Verification, verifyChain } from './verify.ts';

/**
 * Verifies a live trail, secret by secret, against its own heads, and names the first broken link. Entries that are
 * appended meanwhile do not disturb it. Without `secretIds` it takes every secret that has a chain. Reads only.
 */
export async function verifyTrail(
  trail: AuditTrail,
  secretIds: AsyncIterable<string> | Iterable<string> = trail.secretIds(),
): Promise<Verification> {
  const heads = new Map<string, AuditHead>();
  let entries = 0;
  let newest: string | undefined;
  for await (const secretId of secretIds) {
    if (heads.has(secretId)) continue;
    const one = await verifySecret(trail, secretId);
    if (!one.verified) {
      const counts = { secrets: heads.size + one.secrets, entries: entries + one.entries };
      return { ...one, ...counts, secretId, sequence: one.sequence ?? one.line };
    }
    entries += one.entries;
    heads.set(secretId, one.heads.get(secretId) ?? GENESIS);
    if (one.newest !== undefined && (newest === undefined || one.newest > newest)) newest = one.newest;
  }
  return { verified: true, secrets: heads.size, entries, heads, newest };
}

async function verifySecret(trail: AuditTrail, secretId: string): Promise<Verification> {
  const before = await trail.head(secretId);
  const heads = new Map(before === undefined ? [] : [[secretId, before]]);
  const result = await verifyChain(trail.lines(secretId), { heads, only: secretId });
  const last = result.verified ? result.heads.get(secretId) : undefined;
  if (last === undefined || last.sequence === (before?.sequence ?? 0)) return result;
  // Entries came after the head that was read first: then the head has moved with them, in the same transaction.
  const after = (await trail.head(secretId)) ?? GENESIS;
  if (after.sequence >= last.sequence) return result;
  const detail = 'it stands after the head of its chain: it was not appended by Rekey, or the head was set back';
  return {
    verified: false,
    secrets: 0,
    entries: after.sequence,
    secretId,
    sequence: after.sequence + 1,
    line: after.sequence + 1,
    problem: 'head_behind',
    detail,
  };
}
