import * as z from 'zod/mini';
import { hasSecretForm } from '../config/plaintext-detection.ts';
import { Misconfigured, StillAlive } from '../errors.ts';
import type { LedgerCredential, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { requestInput } from '../rollout/payloads.ts';
import { requireRotator, rotatorSettings } from './credential-values.ts';
import { withLease, withoutLease } from './lease.ts';
import { credential, isOver, NOTHING_OWED, withCredentialChange } from './ledger.ts';
import { OperationLog } from './operation-log.ts';
import type { RotationPorts } from './ports.ts';

/** The input of SettleDebt: what a person says of one debt, and why. */
export const settleInput = z.extend(requestInput, {
  /** Absent: the one that is owed. */
  versionId: z.optional(z.string().check(z.minLength(1), z.maxLength(64))),
  statement: z.string().check(z.minLength(1), z.maxLength(512)),
});
export type SettleInput = z.infer<typeof settleInput>;

export interface SettleResult {
  readonly versionId: string;
  readonly identity: string;
  /** `refused`: the target refused its value just now. `stated`: there is no value to try; a person's word stands for it. */
  readonly proof: 'refused' | 'stated';
}

/**
 * Ends a debt that Rekey cannot pay by itself (a credential that may be somebody else's, or that nobody can end through
 * the API) when a person says that it is dead. Where its value is known it is tried first: what still opens the target is
 * not settled. Who said so, and in which words, is in the audit trail at high risk; the retirement that goes on by itself
 * finds it settled at its next try.
 *
 * Twice is harmless: a version that is retired is settled. Throws `Misconfigured` where nothing, or not exactly one thing,
 * is owed; `StillAlive` where the value still works; `LeaseHeld` while a rotation or a retirement runs.
 */
export async function settleDebt(input: SettleInput, ports: RotationPorts): Promise<SettleResult> {
  const { registry, clock, auditTrail } = ports;
  const { secretId } = input;
  assertHarmless(input.statement);
  const before = await requireRecord(registry, secretId);
  const debt = debtOf(before, input.versionId);
  const { versionId, identity } = debt;
  const isDone = isOver(debt);
  const holder = `settle/${versionId}`;
  const record = await updateRecord(registry, secretId, (latest) => withLease(latest, holder, clock.now()), before);
  const log = new OperationLog(clock, {
    scope: `${holder}/${input.requestId}`,
    step: 'settle',
    reason: 'a person says that the credential is dead',
    facts: {
      version_id: versionId,
      credential: identity,
      requested_by: input.requestedBy,
      statement: input.statement,
    },
  });
  try {
    const { answer: proof, entries } = await log.collect(auditTrail, secretId, async () => {
      const found = await proofOf(record, versionId, ports);
      if (!isDone) log.note('debt_settled', { refused_login: found === 'refused' }, 'high');
      return found;
    });
    await updateRecord(
      registry,
      secretId,
      (latest) => withoutLease(withCredentialChange(latest, versionId, { ...NOTHING_OWED, state: 'retired' }), holder),
      undefined,
      entries,
    );
    return { versionId, identity, proof };
  } catch (error) {
    await updateRecord(registry, secretId, (latest) => withoutLease(latest, holder));
    throw error;
  }
}

/** The statement is kept for ever, where values must not be. An access key's id is a name. */
function assertHarmless(statement: string): void {
  if (!hasSecretForm(statement.replaceAll(/(?<![A-Za-z0-9])AKIA[A-Z0-9]{16}(?![A-Za-z0-9])/g, ''))) return;
  throw new Misconfigured('The statement has the form of a secret in it: say in words which credential is meant.');
}

/** The debt that is meant; one that was settled before counts when its version is named. */
function debtOf(record: SecretRecord, versionId: string | undefined): LedgerCredential {
  const owed = record.ledger.filter(({ state, owedSince }) => state === 'grace' && owedSince !== undefined);
  const named = owed.map((entry) => `${entry.versionId} ("${entry.identity}")`).join(', ');
  if (versionId === undefined) {
    const [only, another] = owed;
    if (only !== undefined && another === undefined) return only;
    const found = only === undefined ? 'nothing is owed' : `several are owed, say which: ${named}`;
    throw new Misconfigured(`Of "${record.secretId}" ${found}.`);
  }
  const entry = credential(record, versionId);
  if (entry !== undefined && (owed.includes(entry) || isOver(entry))) return entry;
  throw new Misconfigured(
    `Version ${versionId} of "${record.secretId}" is not owed${owed.length === 0 ? '' : `; owed are: ${named}`}.`,
  );
}

async function proofOf(record: SecretRecord, versionId: string, ports: RotationPorts): Promise<SettleResult['proof']> {
  const value = (await ports.secretStore.read(record.secretId, { versionId }))?.value;
  if (value === undefined) return 'stated';
  await using afterwards = new AsyncDisposableStack();
  const rotator = await requireRotator(ports, record, afterwards);
  if ((await rotator.probe(value, rotatorSettings(record))) === 'refused') return 'refused';
  throw new StillAlive(`Version ${versionId} of "${record.secretId}" still opens its target: it is not settled.`);
}
