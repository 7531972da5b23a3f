import { isMap, isScalar, type YAMLMap } from 'yaml';

import { SECRET_TYPES, type SecretType } from './declaration.ts';
import { requiredOfProvider } from './required-fields.ts';
import type { Finding } from './yaml-tokens.ts';
import { findPair, nodeAt, offsetOf } from './yaml-tree.ts';

/** A secret that leaves its type to the `engine` of its value. Only databases and brokers have one. */
const UNTYPED = 'untyped';
type Kind = SecretType | typeof UNTYPED;

const DATABASES = ['postgresql', 'mysql', 'mariadb'] as const;

/** The types that have a field; fields that are not here belong to every type. A mapping comes before its own fields. */
const TYPES: readonly (readonly [field: string, types: readonly Kind[]])[] = [
  ['connection', [...DATABASES, 'redis', 'rabbitmq', UNTYPED]],
  ['connection.dbname', [...DATABASES, UNTYPED]],
  // What the application is to the target: an owner role, a role that is granted, the user of a first value.
  ['connection.owner_role', [...DATABASES, 'redis', UNTYPED]],
  ['connection.nodes', ['redis']],
  ['connection.users_kept_by', ['redis']],
  ['connection.management_port', ['rabbitmq']],
  ['connection.vhost', ['rabbitmq']],
  ['provider', ['iam', 'github_token', 'api_key']],
  ['provider.user', ['iam']],
  ['provider.app_id', ['github_token']],
  ['provider.installation_id', ['github_token']],
  ['provider.repositories', ['github_token']],
  ['provider.name', ['api_key']],
  ['provider.project', ['api_key']],
  ['provider.service_account', ['api_key']],
  ['provider.base_url', ['github_token', 'api_key']],
  ['provider.certificate_authority', ['github_token', 'api_key']],
  ['provider.expires_in', ['api_key']],
  ['http', ['http']],
  ['policy', [...DATABASES, 'redis', 'rabbitmq', 'credential', UNTYPED]],
  ['policy.key', ['credential']],
  ['privileges', [...DATABASES, UNTYPED]],
  ['permissions', ['github_token', 'api_key', 'iam']],
];

/**
 * Fields of a secret that its type does not have, and those that it must have beside what is written. Looks at the nodes,
 * so that it has its say about a secret that the schema has something to say about too.
 */
export function fieldFindings(secret: unknown): readonly Finding[] {
  const type = typeOf(secret);
  if (type === 'wrong' || !isMap(secret)) return [];
  const kind = type ?? UNTYPED;
  return [...misplaced(secret, kind), ...missing(secret, kind)];
}

/** The type that a secret's node says, undefined where it says none; where it is `wrong`, its fields cannot be judged. */
export function typeOf(secret: unknown): SecretType | 'wrong' | undefined {
  const type = isMap(secret) ? findPair(secret, 'type') : undefined;
  if (type === undefined) return undefined;
  const written: unknown = isScalar(type.value) ? type.value.value : undefined;
  return SECRET_TYPES.find((known) => known === written) ?? 'wrong';
}

function misplaced(secret: YAMLMap, kind: Kind): readonly Finding[] {
  const findings: Finding[] = [];
  const reported = new Set<string>();
  for (const [field, types] of TYPES) {
    const path = field.split('.');
    const parent = nodeAt(secret, path.slice(0, -1));
    const name = path.at(-1) ?? '';
    const pair = isMap(parent) ? findPair(parent, name) : undefined;
    if (pair === undefined || types.includes(kind) || reported.has(path[0] ?? '')) continue;
    reported.add(field);
    const typed = types.filter((type) => type !== UNTYPED);
    findings.push({
      offset: offsetOf(pair.key),
      message: `found ${name} in a secret ${kind === UNTYPED ? 'without type' : `of type ${kind}`}; only ${typed.join(', ')} ${typed.length === 1 ? 'has' : 'have'} it`,
    });
  }
  return findings;
}

function missing(secret: YAMLMap, kind: Kind): readonly Finding[] {
  const findings: Finding[] = [];
  const require = (mapping: string, fields: readonly string[], allowed: string): void => {
    const node = nodeAt(secret, [mapping]);
    if (!isMap(node)) return;
    for (const field of fields.filter((field) => !findPair(node, field)))
      findings.push({ offset: offsetOf(node), message: `${field} is missing; ${allowed}` });
  };
  if (kind === 'postgresql' || kind === UNTYPED)
    require('connection', ['dbname'], 'dbname is the name of a database, at most 63 characters');
  if (kind !== UNTYPED) {
    const fields = requiredOfProvider(kind);
    require('provider', fields, `provider of a secret of type ${kind} has ${fields.join(' and ')}`);
  }
  return findings;
}
