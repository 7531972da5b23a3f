import * as z from 'zod/mini';
import { Misconfigured } from '../errors.ts';
import type { SecretStore } from '../secret-store.ts';

/** Engines of the AWS database convention, and the type that rotates each. */
const TYPE_BY_ENGINE: Readonly<Record<string, string>> = {
  postgres: 'postgresql',
  postgresql: 'postgresql',
  'aurora-postgresql': 'postgresql',
  mysql: 'mysql',
  aurora: 'mysql',
  'aurora-mysql': 'mysql',
  mariadb: 'mariadb',
  redis: 'redis',
  valkey: 'redis',
  rabbitmq: 'rabbitmq',
};

const withEngine = z.object({ engine: z.string() });

/** The type of a secret that was declared without one: from the `engine` field of its own JSON. */
export async function engineOf(secretStore: SecretStore, secretId: string): Promise<string> {
  const current = await secretStore.read(secretId, { stage: 'AWSCURRENT' });
  const engine = current === undefined ? undefined : parseEngine(current.value.reveal());
  if (engine === undefined) {
    throw new Misconfigured(
      `"${secretId}" is declared without a type, and its value has no "engine" field to tell it; add type: to secrets.yaml.`,
    );
  }
  return TYPE_BY_ENGINE[engine] ?? engine;
}

function parseEngine(text: string): string | undefined {
  try {
    return withEngine.safeParse(JSON.parse(text)).data?.engine.slice(0, 64);
  } catch {
    return undefined; // Not JSON: then it has no engine field.
  }
}
