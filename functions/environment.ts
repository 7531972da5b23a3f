import * as z from 'zod';
import { Misconfigured } from '../shared/errors.ts';

const environment = z.object({
  REKEY_ENVIRONMENT: z.string().min(1),
  REGISTRY_TABLE: z.string().min(1),
  AUDIT_TABLE: z.string().min(1),
  ALERT_TOPIC_ARN: z.string().min(1).optional(),
  VERSION_RETIREMENT_ARN: z.string().min(1).optional(),
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
