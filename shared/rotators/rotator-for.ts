import type { SecretDeclaration, SecretType } from '../config/declaration.ts';
import { missingFor } from '../config/required-fields.ts';
import type { Clock } from '../clock.ts';
import type { Rotator, RotatorSettings } from './rotator.ts';

/** What every rotator is given. */
export interface RotatorDependencies {
  readonly clock: Clock;
  /** Default `two_roles`. */
  readonly mode?: RotatorSettings['mode'];
}

/** One entry a type. The imports are dynamic, so that only the driver of the rotator at hand is loaded. */
const ROTATORS: Readonly<Record<SecretType, (dependencies: RotatorDependencies) => Promise<Rotator>>> = {
  postgresql: async (given) => (await import('./postgresql/postgresql-rotator.ts')).postgresqlRotator(given),
  mysql: async (given) => (await import('./mysql/mysql-rotator.ts')).mysqlRotator(given),
  mariadb: async (given) => (await import('./mariadb/mariadb-rotator.ts')).mariadbRotator(given),
  redis: async (given) => (await import('./redis/redis-rotator.ts')).redisRotator(given),
  rabbitmq: async (given) => (await import('./rabbitmq/rabbitmq-rotator.ts')).rabbitmqRotator(given),
  iam: async (given) => (await import('./iam/iam-rotator.ts')).iamRotator(given),
  github_token: async (given) => (await import('./github-token/github-token-rotator.ts')).githubTokenRotator(given),
  api_key: async (given) => (await import('./api-key/api-key-rotator.ts')).apiKeyRotator(given),
  http: async (given) => (await import('./http/http-rotator.ts')).httpRotator(given),
  credential: async (given) => (await import('./credential/credential-rotator.ts')).credentialRotator(given),
};

/**
 * Whether this version of Rekey rotates a secret of `type` that is declared so: it has the rotator, and nothing that the
 * rotator needs is missing. Loads nothing.
 */
export function isRotatable(type: string, declaration: SecretDeclaration): boolean {
  return isSecretType(type) && missingFor({ ...declaration, type }).length === 0;
}

/** The rotator for secrets of `type`, in the mode of the secret at hand; `undefined` where this version has none. */
export async function rotatorFor(type: string, dependencies: RotatorDependencies): Promise<Rotator | undefined> {
  return isSecretType(type) ? await ROTATORS[type](dependencies) : undefined;
}

function isSecretType(type: string): type is SecretType {
  return Object.hasOwn(ROTATORS, type);
}
