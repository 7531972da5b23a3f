import * as z from 'zod/mini';
import { rotationInput } from '../rotation/payloads.ts';

const batch = z.int().check(z.gte(0));

/** The input of ReleaseBatch: `token` is Step Functions' own for the task that waits. */
export const releaseInput = z.extend(rotationInput, { batch, token: z.string().check(z.minLength(1)) });
export type ReleaseInput = z.infer<typeof releaseInput>;

/** The input of JudgeBatch. */
export const batchInput = z.extend(rotationInput, { batch });
export type BatchInput = z.infer<typeof batchInput>;

/** What somebody asks of one secret: Reload, Revert. */
export const requestInput = z.strictObject({
  environment: z.string().check(z.minLength(1), z.maxLength(64)),
  secretId: z.string().check(z.minLength(1), z.maxLength(512)),
  /** Chosen by who asks: asking twice under one id is asking once. */
  requestId: z.uuid(),
  requestedBy: z.string().check(z.minLength(1), z.maxLength(256)),
});
export type RequestInput = z.infer<typeof requestInput>;
