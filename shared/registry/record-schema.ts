import * as z from 'zod';
import type { SecretDeclaration } from '../config/declaration.ts';
import { rotationInput } from '../rotation/payloads.ts';
import { PHASES, type RotationRecord, type SecretRecord } from './registry.ts';

const date = z.iso.datetime().transform((text) => new Date(text));

const rotation = rotationInput.extend({
  status: z.enum(['running', 'succeeded', 'rolled_back']),
  startedAt: date,
  endedAt: date.optional(),
  candidate: z.string().optional(),
  incumbent: z.string().optional(),
  incumbentVersionId: z.string().optional(),
  phases: z.array(
    z.strictObject({
      name: z.enum(PHASES),
      startedAt: date,
      endedAt: date.optional(),
      facts: z.record(z.string(), z.string()),
    }),
  ),
  fault: z.strictObject({ name: z.string(), message: z.string() }).optional(),
  alerted: z.array(z.string()),
});

const record = z.strictObject({
  secretId: z.string(),
  environment: z.string(),
  type: z.string(),
  /** Written by Configure from a parsed file, so its shape was checked there. */
  declaration: z.custom<SecretDeclaration>((value) => typeof value === 'object' && value !== null),
  status: z.enum(['active', 'orphaned', 'unsupported']),
  dueAt: date.optional(),
  lease: z.strictObject({ holder: z.string(), expiresAt: date }).optional(),
  rotation: rotation.optional(),
  ledger: z.array(
    z.strictObject({
      identity: z.string(),
      versionId: z.string(),
      state: z.enum(['proposed', 'current', 'grace', 'retired']),
      retireAt: date.optional(),
      owedSince: date.optional(),
      owedAlertAt: date.optional(),
    }),
  ),
  lastRotatedAt: date.optional(),
  failures: z.int().min(0),
});

/** The stored text of a record; `revision` is kept beside it. Throws a ZodError when it is not one. */
export function parseRecord(text: string, revision: number): SecretRecord {
  return { ...(record.parse(JSON.parse(text)) as Omit<SecretRecord, 'revision'>), revision };
}

export function serialiseRecord({ revision: _, ...rest }: SecretRecord): string {
  return JSON.stringify(rest);
}

export function parseRotation(text: string): RotationRecord {
  return rotation.parse(JSON.parse(text)) as RotationRecord;
}

export function serialiseRotation(rotation: RotationRecord): string {
  return JSON.stringify(rotation);
}
