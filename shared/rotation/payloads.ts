import * as z from 'zod/mini';
import { ROTATION_ID } from './rotation-id.ts';

/** Why somebody, or something but the schedule, may ask for a rotation. */
export const REQUEST_REASONS = ['manual', 'exposure', 'risk', 'drift'] as const;

/** Why a rotation runs. One path for every trigger. */
export const ROTATION_REASONS = ['scheduled', ...REQUEST_REASONS] as const;

const text = (longest: number) => z.string().check(z.minLength(1), z.maxLength(longest));

/** The input of `SecretRotation` and of every phase: ids only, never a value. */
export const rotationInput = z.strictObject({
  environment: text(64),
  secretId: text(512),
  /** Names the rotation, and is the new version's ClientRequestToken in Secrets Manager. */
  rotationId: z.string().check(z.regex(ROTATION_ID)),
  reason: z.enum(ROTATION_REASONS),
  requestedBy: text(256),
});
export type RotationInput = z.infer<typeof rotationInput>;

/** The ids alone, of anything that carries them: a phase's schema takes no other key. */
export function rotationIds({ environment, secretId, rotationId, reason, requestedBy }: RotationInput): RotationInput {
  return { environment, secretId, rotationId, reason, requestedBy };
}

/** The input of RollBack: what was caught, as Step Functions gives it. Only the error's name is read. */
export const rollBackInput = z.extend(rotationInput, { fault: z.object({ Error: text(256) }) });
export type RollBackInput = z.infer<typeof rollBackInput>;

/** The input of Notify; after a roll back with what was caught. */
export const notifyInput = z.extend(rotationInput, { fault: z.optional(z.object({ Error: text(256) })) });
export type NotifyInput = z.infer<typeof notifyInput>;

/** The input of `VersionRetirement` and Retire. */
export const retirementInput = z.strictObject({
  environment: text(64),
  secretId: text(512),
  /** The rotation that replaced the version; where that is not known, the version's own id, whoever chose it. */
  rotationId: text(64),
  /** The version to retire. */
  versionId: text(64),
  /** ISO 8601: not before. */
  retireAt: z.iso.datetime(),
});
export type RetirementInput = z.infer<typeof retirementInput>;

/** The input of the owed alert: with what was caught. */
export const owedInput = z.extend(retirementInput, { fault: z.object({ Error: text(256) }) });
export type OwedInput = z.infer<typeof owedInput>;

/** Answer of Dispatch: what to start, each under a name that makes starting it twice one run. */
export interface DispatchResult {
  readonly rotations: readonly { readonly executionName: string; readonly input: RotationInput }[];
  /** Text of `RecordUnreadable`, where there was one: the execution fails by it when the others have been started. */
  readonly unreadable?: string;
}

/** Answer of Audit: the batches of the rollout, in order; none when nobody is handed the candidate before the switch. */
export interface AuditResult {
  readonly batches: readonly { readonly batch: number; readonly timeoutSeconds: number }[];
  /** How many of them are released side by side. */
  readonly batchesAtOnce: number;
}

/** Answer of Apply, and of a RollBack that found the switch done. `retirement` is absent when nothing was replaced. */
export interface ApplyResult {
  readonly retirement?: RetirementInput;
}

/**
 * Answer of RollBack: `rolled_back` (with the retirement of a candidate that could not be ended at the target), or
 * `completed` when the candidate was already current and opens the target (with the incumbent's).
 */
export interface RollBackResult extends ApplyResult {
  readonly outcome: 'rolled_back' | 'completed';
}
