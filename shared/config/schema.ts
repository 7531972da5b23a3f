import * as z from 'zod';

import { connectionSchema } from './connection-schema.ts';
import { SECRET_TYPES } from './declaration.ts';
import { httpSchema } from './http-schema.ts';
import { policySchema } from './policy-schema.ts';
import { providerSchema } from './provider-schema.ts';
import { parseSchedule } from './schedule.ts';
import { flag, isMapping, oneOf, percent, seconds, text, textLike, wholeNumber } from './schema-text.ts';

/*
 * The fields of the file, by level. Each message is the "what is allowed" half of a problem; what was found is added
 * where the position is known. Lists are checked entry by entry (`z.unknown()` here), so that one bad entry does not
 * hide the others.
 */

const NAME = /^[A-Za-z0-9/_+=.@-]{1,512}$/;
/** Also what AWS's services call the secrets that they make, such as `rds!db-…`: nobody else may give such a name. */
const ADMIN_NAME = /^[A-Za-z0-9/_+=.@!-]{1,512}$/;
const ADMIN_ARN = /^arn:aws[a-z-]{0,20}:secretsmanager:[a-z0-9-]{1,30}:\d{12}:secret:[A-Za-z0-9/_+=.@!-]{1,519}$/;
const ADMIN = 'admin_secret is the ARN of a secret, or its name: 1 to 512 letters, digits and /_+=.@!-';
const NO_LIST = 'secrets is a list of secrets, each beginning with - name:';
const NO_ALERTS = 'alerts is a list of subscriptions, each one of email, sqs or https';

export const environmentName = textLike(
  /^[A-Za-z][A-Za-z0-9_-]{0,39}$/,
  'an environment is a name of at most 40 letters, digits, - and _ that begins with a letter',
);

export const rootSchema = z.strictObject({
  environment: environmentName.optional(),
  secrets: z.array(z.unknown(), { error: NO_LIST }).optional(),
  environments: z.custom(isMapping, { error: 'environments is a mapping of names to environments' }).optional(),
  alerts: z.array(z.unknown(), { error: NO_ALERTS }).optional(),
});

export const environmentSchema = z.strictObject(
  {
    secrets: z.array(z.unknown(), { error: NO_LIST }),
    alerts: z.array(z.unknown(), { error: NO_ALERTS }).optional(),
  },
  { error: 'an environment is a mapping with secrets:' },
);

/** What is allowed, where nothing or no text was found. */
export const ROTATION = 'rotation is a text such as daily, 90_days or rate(5 minutes)';

/** The same in `secrets.yaml` and in `openclaw.json`, like `scope` and `permissions`. */
export const rotationSchema = z.string({ error: ROTATION }).transform((written, context) => {
  const parsed = parseSchedule(written);
  if (parsed.ok) return { written, schedule: parsed.schedule };
  context.addIssue({ code: 'custom', message: parsed.allowed, params: { suggestion: parsed.suggestion } });
  return z.NEVER;
});

export const scopeSchema = text('scope is a text of at most 256 characters');

const PERMISSIONS = 'permissions is a list of 1 to 100 texts such as "contents:read"';
// An empty list would read like none, and mean all.
export const permissionsSchema = z
  .array(text('a permission is a text of at most 128 characters', 128), { error: PERMISSIONS })
  .min(1, { error: PERMISSIONS })
  .max(100, { error: PERMISSIONS });

const preheat = z.strictObject(
  {
    timeout: seconds('timeout', { min: 1, max: 30, bounds: 'from 1s to 30s' }).optional(),
    health_checks: wholeNumber('health_checks', { min: 1, max: 100 }).optional(),
  },
  { error: 'preheat is a mapping with timeout and health_checks' },
);

const apply = z.strictObject(
  {
    zero_downtime: flag('zero_downtime').optional(),
    rolling_update: flag('rolling_update').optional(),
    parallel_switch: flag('parallel_switch').optional(),
    max_batch_size: wholeNumber('max_batch_size', { min: 1, max: 100 }).optional(),
    canary_size: wholeNumber('canary_size', { min: 0, max: 100 }).optional(),
    timeout: seconds('timeout', { min: 5, max: 600, bounds: 'from 5s to 10m' }).optional(),
    tolerance: percent('tolerance').optional(),
  },
  { error: 'apply is a mapping such as { max_batch_size: 20, timeout: 1m }' },
);

/** The same in `secrets.yaml` and in `openclaw.json`. */
export const reloadSchema = z.strictObject(
  {
    hot_reload: flag('hot_reload').optional(),
    backwards_compat: flag('backwards_compat').optional(),
    rollback_on_error: flag('rollback_on_error').optional(),
  },
  { error: 'reload is a mapping such as { hot_reload: true, backwards_compat: true }' },
);

export const secretSchema = z.strictObject(
  {
    name: textLike(NAME, 'name is a text of 1 to 512 letters, digits and /_+=.@-'),
    type: oneOf('type', SECRET_TYPES).optional(),
    scope: scopeSchema.optional(),
    // Needed, but openclaw.json may say it: `readSecret` knows.
    rotation: rotationSchema.optional(),
    access_level: text('access_level is a text of at most 256 characters').optional(),
    grace: seconds('grace', { min: 0, max: 31_536_000, bounds: 'at most 365d' }).optional(),
    rotate_immediately: flag('rotate_immediately').optional(),
    admin_secret: z
      .string({ error: ADMIN })
      .refine((value) => ADMIN_NAME.test(value) || ADMIN_ARN.test(value), { error: ADMIN })
      .optional(),
    connection: connectionSchema.optional(),
    provider: providerSchema.optional(),
    http: httpSchema.optional(),
    policy: policySchema.optional(),
    privileges: oneOf('privileges', ['same', 'read_only']).optional(),
    permissions: permissionsSchema.optional(),
    scheduler: oneOf('scheduler', ['rekey', 'secrets_manager']).optional(),
    mode: oneOf('mode', ['two_roles', 'single_role']).default('two_roles'),
    preheat: preheat.optional(),
    end_sessions: flag('end_sessions').default(true),
    apply: apply.optional(),
    reload: reloadSchema.optional(),
  },
  { error: 'a secret is a mapping with name and rotation' },
);

/** What `rotation` says: as written, and what it means. */
export type Rotation = z.output<typeof rotationSchema>;

export type WrittenSecret = z.output<typeof secretSchema>;

/** A secret as written, with the rotation that holds for it: its own, or a default of `openclaw.json`. */
export type SecretEntry = Omit<WrittenSecret, 'rotation'> & {
  readonly rotation: Rotation & { readonly isDefault: boolean };
};
