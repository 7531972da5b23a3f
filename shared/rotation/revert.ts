import { revertedAlert } from '../alerts/compose.ts';
import { CurrentVersionMoved, IncumbentRefused, Misconfigured } from '../errors.ts';
import type { LedgerCredential, SecretRecord } from '../registry/registry.ts';
import { requireRecord, updateRecord } from '../registry/update-record.ts';
import { settle } from '../rollout/notices.ts';
import type { RequestInput } from '../rollout/payloads.ts';
import { requireRotator, requireVersion, rotatorSettings } from './credential-values.ts';
import { nextRotation } from './due.ts';
import { withLease, withoutLease } from './lease.ts';
import { credential, NOTHING_OWED, withCredentialChange } from './ledger.ts';
import { OperationLog } from './operation-log.ts';
import type { RecoveryPorts } from './recover.ts';

export interface RevertResult {
  readonly versionId: string;
  readonly replacedVersionId: string;
}

/**
 * Makes the version before current again while it is in its grace period: proves it at the target, moves `AWSCURRENT`
 * back by compare-and-swap, tells consumers and people, and retires what was current after the secret's grace period,
 * when no consumer uses it any more. Nobody is locked out meanwhile: both open the target.
 *
 * Twice is harmless: once the record says that the version is current, the request is done. Throws `Misconfigured` when
 * there is nothing to go back to, `LeaseHeld` while a rotation runs, `IncumbentRefused` when the version no longer works.
 */
export async function revert(input: RequestInput, ports: RecoveryPorts): Promise<RevertResult> {
  const { registry, clock, auditTrail } = ports;
  const { secretId, requestId } = input;
  const holder = `revert/${requestId}`;
  const before = await requireRecord(registry, secretId);
  const done = alreadyReverted(before);
  if (done !== undefined) {
    await startRetirementOf(done.replacedVersionId, before, input, ports);
    return done;
  }
  const record = await updateRecord(registry, secretId, (latest) => withLease(latest, holder, clock.now()), before);
  let pair: Pair;
  let after: SecretRecord;
  try {
    pair = pairOf(record);
    const { previous, current } = pair;
    const log = new OperationLog(clock, {
      scope: holder,
      step: 'revert',
      reason: 'somebody asked for it',
      facts: {
        rotation_id: current.versionId,
        requested_by: input.requestedBy,
        version_id: previous.versionId,
        replaced_version_id: current.versionId,
      },
    });
    const { entries } = await log.collect(auditTrail, secretId, () => goBack({ input, ports, record, pair, log }));
    after = await updateRecord(registry, secretId, reverted(pair, holder, clock.now()), undefined, entries);
  } catch (error) {
    await updateRecord(registry, secretId, (latest) => withoutLease(latest, holder));
    throw error;
  }
  const { previous, current } = pair;
  await startRetirementOf(current.versionId, after, input, ports);
  return { versionId: previous.versionId, replacedVersionId: current.versionId };
}

/** When the ledger says; nothing where the version has been retired meanwhile. */
async function startRetirementOf(
  versionId: string,
  record: SecretRecord,
  { environment, secretId, requestId }: RequestInput,
  ports: RecoveryPorts,
): Promise<void> {
  const retireAt = credential(record, versionId)?.retireAt?.toISOString();
  if (retireAt === undefined) return;
  const retirement = { environment, secretId, rotationId: versionId, versionId, retireAt };
  await ports.startRetirement(`revert-${requestId}`, retirement);
}

/** The last rotation's switch has been taken back before. */
function alreadyReverted({ ledger, rotation }: SecretRecord): RevertResult | undefined {
  if (rotation?.status !== 'succeeded' || rotation.incumbentVersionId === undefined) return undefined;
  const { rotationId, incumbentVersionId: versionId } = rotation;
  const isBack = ledger.some((entry) => entry.versionId === versionId && entry.state === 'current');
  return isBack ? { versionId, replacedVersionId: rotationId } : undefined;
}

interface Pair {
  readonly previous: LedgerCredential;
  readonly current: LedgerCredential;
}

/** What is current, and what the last rotation replaced by it. */
function pairOf({ secretId, ledger, rotation }: SecretRecord): Pair {
  const current = ledger.find(({ state }) => state === 'current');
  const previous = ledger.find(
    ({ versionId, state }) => versionId === rotation?.incumbentVersionId && state === 'grace',
  );
  if (current === undefined || previous === undefined) {
    throw new Misconfigured(`There is nothing to go back to: the version of "${secretId}" before this one is retired.`);
  }
  return { previous, current };
}

async function goBack({
  input: { requestId },
  ports,
  record,
  pair: { previous, current },
  log,
}: {
  readonly input: RequestInput;
  readonly ports: RecoveryPorts;
  readonly record: SecretRecord;
  readonly pair: Pair;
  readonly log: OperationLog;
}): Promise<void> {
  const { secretId, declaration } = record;
  const rotator = await requireRotator(ports, record);
  const value = (await requireVersion(ports, secretId, previous.versionId)).value;
  if ((await rotator.probe(value, rotatorSettings(record))) === 'refused') {
    throw new IncumbentRefused(`"${previous.identity}" no longer opens the target: there is no way back to it.`);
  }
  log.note('previous_healthy', { credential: previous.identity });
  const moved = await ports.secretStore.promote(secretId, { from: current.versionId, to: previous.versionId });
  if (moved === 'lost') {
    const carries = await ports.secretStore.read(secretId, { stage: 'AWSCURRENT' });
    if (carries?.versionId !== previous.versionId) {
      throw new CurrentVersionMoved(`AWSCURRENT of "${secretId}" is on neither version: somebody else moved it.`);
    }
  }
  log.note('current_moved_back', {}, 'medium');
  if (declaration.reload.hotReload) {
    await settle(ports.rollouts, secretId, { rotationId: requestId, versionId: previous.versionId });
  }
  await ports.alerts.publish(revertedAlert(record, { previous, current, requestId }, ports.clock.now()));
  log.note('alert_sent', { kind: 'rotation_rolled_back' });
}

function reverted({ previous, current }: Pair, holder: string, now: Date) {
  return (latest: SecretRecord): SecretRecord => {
    const back = withCredentialChange(latest, previous.versionId, { ...NOTHING_OWED, state: 'current' });
    const left = withCredentialChange(back, current.versionId, {
      state: 'grace',
      retireAt: new Date(now.getTime() + latest.declaration.graceSeconds * 1000),
    });
    return withoutLease({ ...left, dueAt: nextRotation(latest.declaration, now, previous) }, holder);
  };
}
