import { dirname } from 'node:path';
import { parseConfigPath, targetType } from './config-path.ts';
import { PlanRefused } from './errors.ts';
import { type Aliases, isOpenClawId, namesOf, parseReference } from './secret-reference.ts';

/** One secret that OpenClaw shall use, and where. */
export interface Mapping {
  /** As OpenClaw asks for it: a name, an ARN or an alias, with `#key` for one field. */
  readonly id: string;
  readonly path: string;
}

/** What `openclaw secrets apply --from` takes: docs/gateway/secrets-plan-contract.md of openclaw@2026.9.6. */
export interface SecretsPlan {
  readonly version: 1;
  readonly protocolVersion: 1;
  readonly providerUpserts: Readonly<Record<string, ExecProvider>>;
  readonly targets: readonly PlanTarget[];
}

interface ExecProvider {
  readonly source: 'exec';
  readonly command: string;
  readonly timeoutMs: number;
  readonly noOutputTimeoutMs: number;
  readonly passEnv: readonly string[];
  readonly trustedDirs: readonly string[];
}

interface PlanTarget {
  readonly type: string;
  readonly path: string;
  readonly pathSegments: readonly string[];
  readonly ref: { readonly source: 'exec'; readonly provider: string; readonly id: string };
}

const PROVIDER = /^[a-z][a-z0-9_-]{0,63}$/;
/** The provider ends by itself within 4 s; the rest is for a machine so busy that a process starts slowly. */
const TIMEOUT_MILLISECONDS = 10_000;
/** OpenClaw's limit of one batch. */
const MAX_IDS = 512;

/** What the AWS SDK and Node read from the environment; OpenClaw passes on what is named, and nothing else. */
const PASSED_ENVIRONMENT = [
  'AWS_ACCESS_KEY_ID',
  'AWS_CA_BUNDLE',
  'AWS_CONFIG_FILE',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_DEFAULT_REGION',
  'AWS_EC2_METADATA_DISABLED',
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_SECRETS_MANAGER',
  'AWS_PROFILE',
  'AWS_REGION',
  'AWS_ROLE_ARN',
  'AWS_ROLE_SESSION_NAME',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_USE_DUALSTACK_ENDPOINT',
  'AWS_USE_FIPS_ENDPOINT',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'HOME',
  'NODE_EXTRA_CA_CERTS',
  'PATH',
  'REKEY_ALIASES',
] as const;

/** `NAME=config.path`, as on the command line. No config path has a `=`, but a name may. Throws `PlanRefused`. */
export function parseMapping(text: string): Mapping {
  const equals = text.lastIndexOf('=');
  if (equals < 1 || equals === text.length - 1) {
    throw new PlanRefused(`${JSON.stringify(text)} is not NAME=config.path.`);
  }
  return { id: text.slice(0, equals), path: text.slice(equals + 1) };
}

/** The plan that makes OpenClaw read these secrets through `command`. Throws `PlanRefused`. */
export function makePlan(options: {
  readonly provider: string;
  /** The file that `rekey openclaw install-provider` wrote. */
  readonly command: string;
  readonly mappings: readonly Mapping[];
  readonly aliases: Aliases;
}): SecretsPlan {
  const { provider, command, mappings, aliases } = options;
  if (!PROVIDER.test(provider)) {
    throw new PlanRefused('A provider has up to 64 lower-case letters, digits, - and _, and begins with a letter.');
  }
  if (mappings.length === 0) throw new PlanRefused('The plan needs at least one secret.');
  const ids = new Map(mappings.map(({ id }) => [id, openClawId(id, aliases)] as const));
  if (new Set(ids.values()).size > MAX_IDS) {
    throw new PlanRefused(`OpenClaw asks one provider for at most ${MAX_IDS} ids; make two plans with two providers.`);
  }
  const targets = mappings.map(({ id, path }) => {
    const pathSegments = parseConfigPath(path);
    const ref = { source: 'exec', provider, id: ids.get(id) ?? id } as const;
    return { type: targetType(pathSegments), path: pathSegments.join('.'), pathSegments, ref };
  });
  const repeated = targets.find(({ path }, index) => targets.findIndex((other) => other.path === path) !== index);
  if (repeated !== undefined) throw new PlanRefused(`The path ${repeated.path} is there twice.`);
  return {
    version: 1,
    protocolVersion: 1,
    providerUpserts: {
      [provider]: {
        source: 'exec',
        command,
        timeoutMs: TIMEOUT_MILLISECONDS,
        noOutputTimeoutMs: TIMEOUT_MILLISECONDS,
        passEnv: PASSED_ENVIRONMENT,
        trustedDirs: [dirname(command)],
      },
    },
    targets,
  };
}

/** The id by which OpenClaw asks for what a person calls `id`: itself, or its alias. Throws `PlanRefused`. */
export function openClawId(id: string, aliases: Aliases): string {
  if (isOpenClawId(id)) return id;
  const alias = Object.entries(aliases).find(([, meant]) => meant === id)?.[0];
  if (alias !== undefined) return alias;
  throw new PlanRefused(
    `OpenClaw takes no id such as ${JSON.stringify(id)}: give it an alias, {"some/name": ${JSON.stringify(id)}}, with --alias-file.`,
  );
}

/** The ids by which OpenClaw asks for each secret, by the secret's name. Throws `PlanRefused`. */
export function idsBySecret(ids: readonly string[], aliases: Aliases): ReadonlyMap<string, readonly string[]> {
  const bySecret = new Map<string, string[]>();
  for (const one of new Set(ids)) {
    const id = openClawId(one, aliases);
    const { secretId } = parseReference(id, aliases);
    const [name = secretId] = namesOf(secretId);
    bySecret.set(name, [...(bySecret.get(name) ?? []), id]);
  }
  return bySecret;
}
