import { type AuditOperation, MAX_OPERATIONS } from './audit-trail.ts';

/** With the secret's name (at most 512) it stays below DynamoDB's 2,048 bytes of partition key. */
const MAX_OPERATION_ID_BYTES = 1024;

/**
 * Checks what every implementation of `append` needs, and answers the operations without repetitions (the first of a
 * name stays). Throws `RangeError`; the sentences name the rule and never quote the input. Pure.
 */
export function checkOperations(secretId: string, operations: readonly AuditOperation[]): readonly AuditOperation[] {
  // Markers live in partitions named `<secret>#…`: a `#` in a secret's name could forge one.
  if (!/^[A-Za-z0-9/_+=.@-]{1,512}$/.test(secretId)) throw new RangeError('This is not the name of a secret.');
  if (operations.length > MAX_OPERATIONS) throw new RangeError(`An append takes at most ${MAX_OPERATIONS} operations.`);
  const byId = new Map<string, AuditOperation>();
  for (const operation of operations) {
    const { operationId } = operation;
    if (operationId === '' || !operationId.isWellFormed() || Buffer.byteLength(operationId) > MAX_OPERATION_ID_BYTES) {
      throw new RangeError(`An operation id is well-formed text of 1 to ${MAX_OPERATION_ID_BYTES} bytes.`);
    }
    if (!byId.has(operationId)) byId.set(operationId, operation);
  }
  return [...byId.values()];
}
