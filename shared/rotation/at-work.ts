import type { SecretRecord } from '../registry/registry.ts';
import { isLeased } from './lease.ts';

/**
 * Whether somebody changes this secret's credentials now (they hold the lease), or has died doing so and the dispatcher
 * picks their rotation up: it, or what is rolled back, settles what that has left. A rotation that died on a secret that is
 * not dispatched any more (it left the file, its type has no rotator) is nobody's.
 */
export function isAtWork(record: SecretRecord, now: Date): boolean {
  const { status, dueAt, rotation } = record;
  return isLeased(record, now) || (rotation?.status === 'running' && status === 'active' && dueAt !== undefined);
}
