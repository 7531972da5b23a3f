import { PlanRefused } from './errors.ts';
import { isRecord } from './protocol.ts';

/** OpenClaw's pattern of an exec id. */
const OPENCLAW_ID = /^[A-Za-z0-9][A-Za-z0-9._:/#-]{0,255}$/;
/** Secrets Manager appends a hyphen and six characters to the name. */
const ARN = /^arn:aws[a-z-]*:secretsmanager:[^:]*:[^:]*:secret:(?<resource>.+)$/;
const ARN_SUFFIX = /-[A-Za-z0-9]{6}$/;

/** What an id of OpenClaw's means: a secret, whole or one field of its JSON. */
export interface SecretReference {
  /** A name or an ARN, as Secrets Manager takes it. */
  readonly secretId: string;
  readonly field: string | undefined;
}

/** Ids that OpenClaw takes, for names that it does not (`@ + =`, a leading `/`, more than 256 characters). */
export type Aliases = Readonly<Record<string, string>>;

/** No name in Secrets Manager has a `#`, so the first one begins the field. */
export function parseReference(id: string, aliases: Aliases): SecretReference {
  const meant = (Object.hasOwn(aliases, id) ? aliases[id] : undefined) ?? id;
  const hash = meant.indexOf('#');
  if (hash === -1) return { secretId: meant, field: undefined };
  return { secretId: meant.slice(0, hash), field: meant.slice(hash + 1) };
}

/** The names that `secretId` may stand for: one, or two for an ARN, which may have its suffix or not. */
export function namesOf(secretId: string): readonly string[] {
  const resource = ARN.exec(secretId)?.groups?.['resource'];
  if (resource === undefined) return [secretId];
  return ARN_SUFFIX.test(resource) ? [resource.replace(ARN_SUFFIX, ''), resource] : [resource];
}

export function isOpenClawId(id: string): boolean {
  return OPENCLAW_ID.test(id) && !id.split('/').some((segment) => segment === '.' || segment === '..');
}

/** Throws `PlanRefused` when `text` is not a JSON object of ids that OpenClaw takes and texts. */
export function parseAliases(text: string): Aliases {
  let aliases: unknown;
  try {
    aliases = JSON.parse(text);
  } catch {
    throw new PlanRefused('The aliases are not JSON.');
  }
  if (!isRecord(aliases) || !Object.values(aliases).every((meant) => typeof meant === 'string' && meant !== '')) {
    throw new PlanRefused('The aliases are not a JSON object of ids and the names that they stand for.');
  }
  const wrong = Object.keys(aliases).find((id) => !isOpenClawId(id));
  if (wrong !== undefined)
    throw new PlanRefused(`The alias ${JSON.stringify(wrong)} is not an id that OpenClaw takes.`);
  return aliases as Aliases;
}
