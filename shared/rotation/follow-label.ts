import { isDeepStrictEqual } from 'node:util';
import type { SecretText } from '../redact.ts';
import type { LedgerCredential, SecretRecord } from '../registry/registry.ts';
import { updateRecord } from '../registry/update-record.ts';
import type { Rotator } from '../rotators/rotator.ts';
import type { SecretVersion } from '../secret-store.ts';
import { rotatorSettings } from './credential-values.ts';
import { credential, NOTHING_OWED, withCredentialChange, withSuperseded } from './ledger.ts';
import { OperationLog } from './operation-log.ts';
import type { RotationPorts } from './ports.ts';

export interface LabelWork {
  readonly ports: RotationPorts;
  /** As it is under the caller's lease. */
  readonly record: SecretRecord;
  readonly rotator: Rotator;
  /** What carries `AWSCURRENT`. */
  readonly current: SecretVersion;
  /** The rotation in whose course this happens. */
  readonly rotationId: string;
}

/**
 * Puts the ledger in step with `AWSCURRENT` where somebody else has moved it, to an earlier version (also one that was
 * retired, and that they have made work again) or to a value that they have set: what was current has its grace period
 * from now on, so that it does not stand in the way for ever. A version with the same value is the same credential: its
 * entry becomes that of the version with the label, so that it is not ended. Only where the label's value opens the
 * target; else preflight says what is wrong. Costs nothing where they agree.
 *
 * Twice is harmless: after the first time there is nothing left to change.
 */
export async function followLabel(work: LabelWork): Promise<SecretRecord> {
  const { ports, record, rotator, current, rotationId } = work;
  const { versionId: by } = current;
  const own = credential(record, by);
  const others = record.ledger.filter((entry) => entry !== own && ['current', 'grace'].includes(entry.state));
  const replaced = others.filter(({ state }) => state === 'current');
  if (others.length === 0 || (own?.state === 'current' && replaced.length === 0)) return record;
  if ((await rotator.probe(current.value, rotatorSettings(record))) === 'refused') return record;
  const same = await holdersOf(current.value, others, work);
  if (own === undefined && same.length === 0 && replaced.length === 0) return record;

  const now = ports.clock.now();
  const retireAt = new Date(now.getTime() + record.declaration.graceSeconds * 1000);
  const log = new OperationLog(ports.clock, {
    scope: `label/${by}/${record.revision}`,
    step: 'generate',
    reason: 'somebody else has moved AWSCURRENT',
    facts: { rotation_id: rotationId, version_id: by },
  });
  const { entries } = await log.collect(ports.auditTrail, record.secretId, async () => {
    for (const { versionId, identity, state } of others) {
      const facts = { superseded_version_id: versionId, credential: identity };
      if (same.includes(versionId)) log.note(`superseded_${versionId}`, facts, 'medium');
      else if (state === 'current')
        log.note(`replaced_${versionId}`, { ...facts, retire_at: retireAt.toISOString() }, 'medium');
    }
    log.note('label_followed', {}, 'medium');
  });
  const follow = (latest: SecretRecord): SecretRecord => {
    const known = withCredentialChange(latest, by, { ...NOTHING_OWED, state: 'current' });
    const merged = same.reduce((books, versionId) => withSuperseded(books, versionId, by), known);
    return replaced
      .filter(({ versionId }) => credential(merged, versionId)?.state === 'current')
      .reduce((books, { versionId }) => withCredentialChange(books, versionId, { state: 'grace', retireAt }), merged);
  };
  return updateRecord(ports.registry, record.secretId, follow, record, entries);
}

/** The versions of `entries` whose stored value says the same as `value`, however it is written. */
async function holdersOf(
  value: SecretText,
  entries: readonly LedgerCredential[],
  { ports, record }: LabelWork,
): Promise<readonly string[]> {
  const wanted = meaningOf(value);
  const found: string[] = [];
  for (const { versionId } of entries) {
    const stored = await ports.secretStore.read(record.secretId, { versionId });
    if (stored !== undefined && isDeepStrictEqual(meaningOf(stored.value), wanted)) found.push(versionId);
  }
  return found;
}

/** A console writes JSON in its own way. */
function meaningOf(value: SecretText): unknown {
  const text = value.reveal();
  try {
    return JSON.parse(text);
  } catch {
    return text; // No JSON: the text is the value.
  }
}
