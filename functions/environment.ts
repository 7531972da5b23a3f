import * as z from 'zod/mini';
import { Misconfigured } from '../shared/errors.ts';

const text = z.string().check(z.minLength(1));

const environment = z.object({
  REKEY_ENVIRONMENT: text,
  REGISTRY_TABLE: text,
  AUDIT_TABLE: text,
  CONSUMERS_TABLE: text,
  ALERT_TOPIC_ARN: z.optional(text),
  VERSION_RETIREMENT_ARN: z.optional(text),
});

/** The function's settings, from its environment variables. Throws `Misconfigured` that names those that are missing. */
export function readEnvironment(variables: NodeJS.ProcessEnv): z.infer<typeof environment> {
  const parsed = environment.safeParse(variables);
  if (parsed.success) return parsed.data;
  const names = parsed.error.issues.map(({ path }) => path.join('.'));
  throw new Misconfigured(`Environment variables are missing: ${names.join(', ')}.`);
}

/** A variable that this function must have. */
export function required(value: string | undefined, name: string): string {
  if (value === undefined) throw new Misconfigured(`The environment variable ${name} is missing.`);
  return value;
}
