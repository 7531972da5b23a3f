import * as z from 'zod/mini';
import { hasSecretForm } from '../config/plaintext-detection.ts';
import { Misconfigured, PASSING_FAULTS, RekeyError, StillAlive } from '../errors.ts';
import type { LedgerCredential, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import type { SecretText } from '../redact.ts';
import { requestInput } from '../rollout/payloads.ts';
import { TELLING_CHARACTERS } from '../rotators/json-secret.ts';
import { isStructured, parseLossless } from '../rotators/lossless-json.ts';
import { requireRotator, rotatorSettings } from './credential-values.ts';
import { withLease, withoutLease } from './lease.ts';
import { credential, isOver, NOTHING_OWED, withCredentialChange } from './ledger.ts';
import { OperationLog } from './operation-log.ts';
import type { RotationPorts } from './ports.ts';

/** The input of SettleDebt: what a person says of one debt, and why. */
export const settleInput = z.extend(requestInput, {
  /**
   * A version of the secret. Absent: which one is owed is asked, and nothing is settled. Anybody may have written anything
   * here: it is not logged, nor repeated before the ledger has it.
   */
  debt: z.optional(z.string().check(z.minLength(1), z.maxLength(64))),
  statement: z.string().check(z.minLength(1), z.maxLength(512)),
});
export type SettleInput = z.infer<typeof settleInput>;

export interface SettleResult {
  readonly versionId: string;
  readonly identity: string;
  /**
   * `refused`: the target refused its value just now. `stated`: there is no value that could be tried; a person's word
   * stands for it. `owed`: it is what is owed, and was only asked for.
   */
  readonly proof: 'refused' | 'stated' | 'owed';
}

/** Parts of a secret's JSON that name a place or a user, which people may write. */
const NAMES = /^(?:engine|host|port|dbname|vhost|ssl|region|account|id|name|.*user_?name|.*access_?key_?id)$/i;

/**
 * Ends a debt that Rekey cannot pay by itself (a credential that may be somebody else's, or that nobody can end through
 * the API) when a person says that it is dead. Where its value can be tried it is, first: what still opens the target is
 * not settled, and a debt again where it was. Who said so, and in which words, is in the audit trail at high risk; the
 * retirement that goes on by itself finds it settled at its next try.
 *
 * Twice is harmless: the version is named, and one that is retired is settled. Throws `Misconfigured` where nothing, or not
 * exactly one thing, is owed; `StillAlive` where the value still works; `LeaseHeld` while a rotation or a retirement runs.
 */
export async function settleDebt(input: SettleInput, ports: RotationPorts): Promise<SettleResult> {
  const { registry, clock, auditTrail } = ports;
  const { secretId } = input;
  const before = await requireRecord(registry, secretId);
  if (input.debt === undefined) return { ...theOnlyDebt(before), proof: 'owed' };
  const debt = debtOf(before, input.debt);
  const { versionId, identity } = debt;
  const value = (await ports.secretStore.read(secretId, { versionId }))?.value;
  const current = await ports.secretStore.read(secretId, { stage: 'AWSCURRENT' });
  assertHarmless(input.statement, identity, value, current?.value);
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
  const settled = { ...NOTHING_OWED, state: 'retired' } as const;
  try {
    const { answer: proof, entries } = await log.collect(auditTrail, secretId, async () => {
      const { proof, untried } = await proofOf(record, versionId, value, ports);
      const facts = untried === undefined ? {} : { untried };
      if (!isDone) log.note('debt_settled', { refused_login: proof === 'refused', ...facts }, 'high');
      return proof;
    });
    const change = (latest: SecretRecord) => withoutLease(withCredentialChange(latest, versionId, settled), holder);
    await updateRecord(registry, secretId, change, undefined, entries);
    return { versionId, identity, proof };
  } catch (error) {
    const isAlive = isDone && error instanceof StillAlive;
    const change = isAlive ? ({ state: 'grace', retireAt: clock.now() } as const) : {};
    await updateRecord(registry, secretId, (latest) =>
      withCredentialChange(withoutLease(latest, holder), versionId, change),
    );
    throw error;
  }
}

/**
 * The statement is kept for ever, where values must not be: neither what has the form of one, nor what is in the secret. An
 * access key's id is a name, and so is the credential's own.
 */
function assertHarmless(statement: string, identity: string, ...values: readonly (SecretText | undefined)[]): void {
  const others = statement
    .replaceAll(/(?<![A-Za-z0-9])AKIA[A-Z0-9]{16}(?![A-Za-z0-9])/g, ' ')
    .replaceAll(identity, () => ' ');
  if (hasSecretForm(others)) {
    throw new Misconfigured('The statement has the form of a secret in it: say in words which credential is meant.');
  }
  const texts = values.flatMap((value) => (value === undefined ? [] : tellingTexts(parsedOrText(value.reveal()))));
  if (texts.some((text) => text !== identity && statement.includes(text))) {
    throw new Misconfigured('The statement has a part of the secret in it: say in words which credential is meant.');
  }
}

function parsedOrText(text: string): unknown {
  const parsed = parseLossless(text);
  return isStructured(parsed) ? parsed : text;
}

function tellingTexts(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.length >= TELLING_CHARACTERS ? [value] : [];
  if (!isStructured(value)) return [];
  return Object.entries(value).flatMap(([key, held]) => (NAMES.test(key) ? [] : tellingTexts(held)));
}

function debtsOf({ ledger }: SecretRecord): readonly LedgerCredential[] {
  return ledger.filter(({ state, owedSince }) => state === 'grace' && owedSince !== undefined);
}

function named(debts: readonly LedgerCredential[]): string {
  return debts.map(({ versionId, identity }) => `${versionId} ("${identity}")`).join(', ');
}

function theOnlyDebt(record: SecretRecord): Pick<SettleResult, 'versionId' | 'identity'> {
  const debts = debtsOf(record);
  const [only, another] = debts;
  if (only !== undefined && another === undefined) return { versionId: only.versionId, identity: only.identity };
  const found = only === undefined ? 'nothing is owed' : `several are owed, say which: ${named(debts)}`;
  throw new Misconfigured(`Of "${record.secretId}" ${found}.`);
}

/** The debt that is meant; one that was settled before counts. */
function debtOf(record: SecretRecord, versionId: string): LedgerCredential {
  const debts = debtsOf(record);
  const entry = credential(record, versionId);
  if (entry !== undefined && (debts.includes(entry) || isOver(entry))) return entry;
  const which = entry === undefined ? `The version that was named is not in the ledger of` : `Version ${versionId} of`;
  const owed = debts.length === 0 ? 'nothing is owed' : `owed are: ${named(debts)}`;
  throw new Misconfigured(`${which} "${record.secretId}"${entry === undefined ? '' : ' is not owed'}; ${owed}.`);
}

async function proofOf(
  record: SecretRecord,
  versionId: string,
  value: SecretText | undefined,
  ports: RotationPorts,
): Promise<{ readonly proof: 'refused' | 'stated'; readonly untried?: string }> {
  if (value === undefined) return { proof: 'stated' };
  await using afterwards = new AsyncDisposableStack();
  const rotator = await requireRotator(ports, record, afterwards);
  try {
    if ((await rotator.probe(value, rotatorSettings(record))) === 'refused') return { proof: 'refused' };
  } catch (error) {
    // Such a value can never be tried, or its target says neither yes nor no: for that there is the word of a person.
    if (!(error instanceof RekeyError) || PASSING_FAULTS.has(error.name)) throw error;
    return { proof: 'stated', untried: `${error.name}: ${error.safeMessage}` };
  }
  throw new StillAlive(`Version ${versionId} of "${record.secretId}" still opens its target: it is owed.`);
}
