import * as z from 'zod/mini';
import type { SecretDeclaration } from '../config/declaration.ts';
import { RecordUnreadable } from '../errors.ts';
import { rotationInput } from '../rotation/payloads.ts';
import { PHASES, type RotationRecord, type SecretRecord } from './registry.ts';

const date = z.pipe(
  z.iso.datetime(),
  z.transform((text) => new Date(text)),
);

const rotation = z.extend(rotationInput, {
  status: z.enum(['running', 'succeeded', 'rolled_back']),
  startedAt: date,
  endedAt: z.optional(date),
  candidate: z.optional(z.string()),
  incumbent: z.optional(z.string()),
  incumbentVersionId: z.optional(z.string()),
  phases: z.array(
    z.strictObject({
      name: z.enum(PHASES),
      startedAt: date,
      endedAt: z.optional(date),
      facts: z.record(z.string(), z.string()),
    }),
  ),
  rollout: z.optional(
    z.strictObject({
      plannedAt: date,
      sequence: z.int().check(z.gte(0)),
      consumers: z.int().check(z.gte(0)),
      bounds: z.array(z.string()),
    }),
  ),
  fault: z.optional(z.strictObject({ name: z.string(), message: z.string(), retryAt: z.optional(date) })),
  alerted: z.array(z.string()),
});

const record = z.strictObject({
  secretId: z.string(),
  environment: z.string(),
  type: z.string(),
  /** Written by Configure from a parsed file, so its shape was checked there. */
  declaration: z.custom<SecretDeclaration>((value) => typeof value === 'object' && value !== null),
  status: z.enum(['active', 'orphaned', 'unsupported']),
  dueAt: z.optional(date),
  lease: z.optional(z.strictObject({ holder: z.string(), expiresAt: date })),
  rotation: z.optional(rotation),
  ledger: z.array(
    z.strictObject({
      identity: z.string(),
      versionId: z.string(),
      state: z.enum(['proposed', 'current', 'grace', 'retired']),
      since: z.optional(date),
      wasStored: z.optional(z.literal(true)),
      retireAt: z.optional(date),
      owedSince: z.optional(date),
      owedAlertAt: z.optional(date),
      owedTriedAt: z.optional(date),
      doubt: z.optional(z.string()),
      expiresAt: z.optional(date),
      issuance: z.optional(
        z.strictObject({
          since: date,
          existing: z.array(z.string()),
          attempts: z.int().check(z.gte(0)),
          explained: z.optional(z.int().check(z.gte(0))),
        }),
      ),
    }),
  ),
  lastRotatedAt: z.optional(date),
  failures: z.int().check(z.gte(0)),
  /** Absent in records of a Rekey that did not count them apart. */
  refusals: z._default(z.int().check(z.gte(0)), 0),
});

/** What is kept beside a record's text, as attributes of their own. */
type Beside = Pick<SecretRecord, 'secretId' | 'revision' | 'auditHead'>;

/** The stored text of a record. Throws `RecordUnreadable` when it is not one. */
export function parseRecord(text: string, { secretId, revision, auditHead }: Beside): SecretRecord {
  const parsed = parse(record, text, secretId) as Omit<SecretRecord, 'revision' | 'auditHead'>;
  return { ...parsed, revision, auditHead };
}

export function serialiseRecord(record: SecretRecord): string {
  return JSON.stringify({ ...record, revision: undefined, auditHead: undefined });
}

/** Throws `RecordUnreadable`, as above. */
export function parseRotation(text: string, secretId: string): RotationRecord {
  return parse(rotation, text, secretId) as RotationRecord;
}

export function serialiseRotation(rotation: RotationRecord): string {
  return JSON.stringify(rotation);
}

/** Of what does not fit only the places are told. */
function parse<Schema extends z.ZodMiniType>(schema: Schema, text: string, secretId: string): z.output<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new RecordUnreadable([secretId], { where: 'not JSON', cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues.map(({ path, code }) => `${path.join('.') || 'the whole'}: ${code}`).join(', ');
  throw new RecordUnreadable([secretId], { where });
}
