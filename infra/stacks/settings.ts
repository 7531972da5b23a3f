import type { Node } from 'constructs';
import * as z from 'zod';
import { RekeyError } from '../../shared/errors.ts';

const MINUTES: Readonly<Record<string, number>> = { minute: 1, hour: 60, day: 1440 };

/** `rate(5 minutes)` as minutes: from 1 to 1440 (CloudWatch cannot watch for the silence of anything slower). */
const dispatchRate = z
  .string()
  .transform((text) => {
    const [, count = '', unit = ''] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(text) ?? [];
    return Number(count) * (MINUTES[unit] ?? Number.NaN);
  })
  .pipe(z.int({ error: 'expected rate(5 minutes), from rate(1 minute) to rate(1 day)' }).min(1).max(1440));

const vpc = z.strictObject({
  vpcId: z.string().regex(/^vpc-/),
  subnetIds: z.array(z.string().regex(/^subnet-/)).min(1),
  availabilityZones: z.array(z.string().min(1)).min(1),
  securityGroupIds: z.array(z.string().regex(/^sg-/)).min(1),
});

const adminSecretArns = z.array(z.string().regex(/^arn:[^:*]+:secretsmanager:[^*]+$/));

const settings = z.object({
  /** Path of the configuration file. */
  config: z.string().min(1).default('secrets.yaml'),
  /** Only this environment of the file; all when absent. */
  environment: z.string().min(1).optional(),
  /** How often due rotations are looked for. */
  dispatchRate: dispatchRate.prefault('rate(5 minutes)'),
  /** Where the functions run that must reach private databases. */
  vpc: vpc.optional(),
  /**
   * Administrator secrets that are named only by `masterarn` inside an adopted secret's value: what is found at run
   * time cannot be granted at synth, so it is listed here (or as `admin_secret` in the file).
   */
  adminSecretArns: adminSecretArns.default([]),
});

export type Settings = z.infer<typeof settings>;
export type NetworkSettings = NonNullable<Settings['vpc']>;

/** The CDK context, or the environment that it names, is not what Rekey can use. */
export class SettingsInvalid extends RekeyError {
  static readonly errorName = 'SettingsInvalid';
  override readonly name = SettingsInvalid.errorName;
  readonly code = 'REKEY_SETTINGS_INVALID';
}

/** The CDK context that Rekey reads (`-c key=value`, or `context` in cdk.json). Throws `SettingsInvalid`. */
export function readSettings(node: Node): Settings {
  const keys = Object.keys(settings.shape);
  const given = keys.flatMap((key) => {
    const value: unknown = node.tryGetContext(key);
    return value === undefined ? [] : [[key, structured(value)]];
  });
  const parsed = settings.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path, message }) => `context ${path.join('.')}: ${message}`);
  throw new SettingsInvalid(lines.join('\n'));
}

/** `-c` hands text over; lists and objects come as JSON then. */
function structured(value: unknown): unknown {
  if (typeof value !== 'string' || !/^[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value; // Not JSON: the schema says what is expected.
  }
}
