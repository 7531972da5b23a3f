import * as z from 'zod/mini';
import { Misconfigured, RecordUnreadable } from '../errors.ts';
import type { SecretRecord } from '../registry/registry.ts';
import { requireRecord } from '../registry/update-record.ts';
import { isLeased, LEASE_SECONDS } from './lease.ts';
import { type DispatchResult, REQUEST_REASONS, type RotationInput, rotationIds } from './payloads.ts';
import type { RotationPorts } from './ports.ts';
import { executionName, rotationId } from './rotation-id.ts';

/** How many rotations one scheduler run starts; what is left is due at the next one. */
const MOST_PER_RUN = 100;

/** `Rotation Requested`, as `rekey rotate` puts it. */
export const rotationRequested = z.object({
  id: z.string().check(z.minLength(1)),
  'detail-type': z.literal('Rotation Requested'),
  detail: z.strictObject({
    secret_id: z.string().check(z.minLength(1), z.maxLength(512)),
    reason: z._default(z.enum(REQUEST_REASONS), 'manual'),
    requested_by: z.string().check(z.minLength(1), z.maxLength(200)),
  }),
});

/** What EventBridge's schedule sends. */
export const scheduledEvent = z.object({
  'detail-type': z.literal('Scheduled Event'),
  resources: z._default(z.array(z.string()), []),
});

export const dispatchEvent = z.union([rotationRequested, scheduledEvent]);
export type DispatchEvent = z.infer<typeof dispatchEvent>;

/**
 * Says which rotations to start: the due ones for a scheduled event, the named one for a request. A rotation that died
 * (it runs by its record, and its lease has expired) goes on under its own id: its steps find what is done.
 *
 * A record that cannot be read keeps no other from being dispatched: `unreadable` names it. (For a request of that very
 * secret `RecordUnreadable` is thrown.)
 *
 * Twice is harmless: an id is made of what started it, so starting it again is the same execution; two schedulers at
 * once are told apart by the compare-and-swap that puts the due time ahead. A crash after that delays the rotation to
 * the new due time, never loses it.
 */
export async function dispatch(
  event: DispatchEvent,
  { registry, clock, environment }: Pick<RotationPorts, 'registry' | 'clock'> & { readonly environment: string },
): Promise<DispatchResult> {
  if (event['detail-type'] === 'Rotation Requested') {
    const { secret_id: secretId, reason, requested_by: requestedBy } = event.detail;
    const record = await requireRecord(registry, secretId);
    if (record.status !== 'active')
      throw new Misconfigured(`"${secretId}" is ${record.status}; Rekey does not rotate it.`);
    const id = rotationId(environment, secretId, 'event', event.id);
    return { rotations: [toStart({ environment, secretId, rotationId: id, reason, requestedBy })] };
  }
  const now = clock.now();
  const requestedBy = event.resources[0] ?? 'schedule';
  const rotations: ToStart[] = [];
  const { records, unreadable } = await registry.findDue(now, MOST_PER_RUN);
  const unread = new Set(unreadable);
  for (const record of records) {
    try {
      const due = await pick(record, { registry, now, environment, requestedBy });
      if (due !== undefined) rotations.push(due);
    } catch (error) {
      if (!(error instanceof RecordUnreadable)) throw error;
      unread.add(record.secretId); // Written so since the index was.
    }
  }
  if (unread.size === 0) return { rotations };
  return { rotations, unreadable: new RecordUnreadable([...unread]).safeMessage };
}

type ToStart = DispatchResult['rotations'][number];

/** The rotation of a secret that is due, its due time put ahead; `undefined` when somebody else has it. */
async function pick(
  record: SecretRecord,
  {
    registry,
    now,
    environment,
    requestedBy,
  }: Pick<RotationPorts, 'registry'> & {
    readonly now: Date;
    readonly environment: string;
    readonly requestedBy: string;
  },
): Promise<ToStart | undefined> {
  const { secretId, dueAt } = record;
  if (dueAt === undefined || isLeased(record, now)) return undefined;
  const ahead = new Date(now.getTime() + LEASE_SECONDS * 1000);
  const fresh = await registry.get(secretId); // The index is eventually consistent; the record decides.
  if (fresh?.status !== 'active' || fresh.dueAt?.getTime() !== dueAt.getTime()) return undefined;
  if ((await registry.save({ ...fresh, dueAt: ahead })) === 'conflict') return undefined;
  const id = rotationId(environment, secretId, 'due', dueAt.toISOString());
  const due = toStart({ environment, secretId, rotationId: id, reason: 'scheduled', requestedBy });
  return fresh.rotation?.status === 'running' ? { ...due, input: rotationIds(fresh.rotation) } : due;
}

function toStart(input: RotationInput): ToStart {
  return { executionName: executionName(input.secretId, input.rotationId), input };
}
