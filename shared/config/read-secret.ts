import { readCertificateAuthority } from './certificate-authority.ts';
import type { ConnectionDeclaration, SecretDeclaration } from './declaration.ts';
import { HTTP_KEYS, httpDeclaration } from './http-schema.ts';
import { narrowingOf } from './key-defaults.ts';
import { policyDeclaration } from './policy-schema.ts';
import { providerDeclaration } from './provider-schema.ts';
import type { Reading } from './reading.ts';
import { missingFor } from './required-fields.ts';
import { brokenRolloutRules, doubtfulRolloutRules } from './rollout-rules.ts';
import { settingsOf } from './rollout-settings.ts';
import { type SecretEntry, secretSchema } from './schema.ts';
import { brokenRules, defaultGraceSeconds, doubtfulRules } from './secret-rules.ts';
import { fieldFindings } from './type-fields.ts';
import { nodeAt, offsetOf } from './yaml-tree.ts';

const DEFAULT_PREHEAT_SECONDS = 30;
const DEFAULT_HEALTHY_THRESHOLD = 2;
/** A new key is known to one host of AWS before the other, for some seconds: two successes may have met the same one. */
const DEFAULT_HEALTHY_THRESHOLD_OF_IAM = 5;

const KEYS = {
  '': Object.keys(secretSchema.shape),
  connection: Object.keys(secretSchema.shape.connection.unwrap().shape),
  provider: Object.keys(secretSchema.shape.provider.unwrap().shape),
  ...HTTP_KEYS,
  policy: Object.keys(secretSchema.shape.policy.unwrap().shape),
  preheat: Object.keys(secretSchema.shape.preheat.unwrap().shape),
  apply: Object.keys(secretSchema.shape.apply.unwrap().shape),
  reload: Object.keys(secretSchema.shape.reload.unwrap().shape),
};

/** One entry of `secrets:`, completed with defaults; undefined if something was reported. */
export function readSecret(node: unknown, reading: Reading): SecretDeclaration | undefined {
  const misplaced = fieldFindings(node);
  for (const finding of misplaced) reading.report(finding);
  const entry = reading.check(secretSchema, node, { what: 'a secret', keys: KEYS });
  if (!entry) return undefined;
  const settings = settingsOf(entry, reading.defaults);
  const issuing = issuingOf(entry);
  const about = { missing: missingFor(issuing), now: reading.now };
  const doubtful = [...doubtfulRules(entry, about), ...doubtfulRolloutRules(entry, settings)];
  for (const { at, message } of doubtful) reading.warn({ offset: offsetAt(node, at), message });
  const broken = [...brokenRules(entry), ...brokenRolloutRules(entry, settings)];
  for (const { at, message } of broken) reading.report({ offset: offsetAt(node, at), message });

  const connection = connectionOf(entry, reading);
  if (typeof connection === 'string') {
    reading.report({ offset: offsetAt(node, ['connection', 'certificate_authority']), message: connection });
    return undefined;
  }
  if (broken.length + misplaced.length > 0) return undefined;
  const { name, privileges } = entry;
  const { type, adminSecret, provider, http } = issuing;
  const { scope, permissions } = narrowingOf(entry, reading.keys);
  // In this order for ever: Configure takes a record whose text differs for one that has changed.
  return {
    name,
    ...(type === undefined ? {} : { type }),
    ...(scope === undefined ? {} : { scope }),
    ...(entry.access_level === undefined ? {} : { accessLevel: entry.access_level }),
    schedule: entry.rotation.schedule,
    rotation: entry.rotation.written,
    graceSeconds: settings.reload.backwardsCompat ? (entry.grace ?? defaultGraceSeconds(entry)) : 0,
    rotateImmediately: entry.rotate_immediately ?? true,
    ...(adminSecret === undefined ? {} : { adminSecret }),
    ...(connection ? { connection } : {}),
    mode: entry.mode,
    preheatSeconds: entry.preheat?.timeout ?? DEFAULT_PREHEAT_SECONDS,
    healthyThreshold: entry.preheat?.health_checks ?? defaultHealthyThreshold(entry),
    endSessions: entry.end_sessions,
    ...settings,
    ...(entry.scheduler === 'secrets_manager' ? { scheduler: entry.scheduler } : {}),
    ...(provider === undefined ? {} : { provider }),
    ...(http === undefined ? {} : { http }),
    ...(entry.policy === undefined ? {} : { policy: policyDeclaration(entry.policy) }),
    ...(privileges === undefined ? {} : { privileges }),
    ...(permissions === undefined ? {} : { permissions }),
  };
}

function defaultHealthyThreshold({ type }: SecretEntry): number {
  return type === 'iam' ? DEFAULT_HEALTHY_THRESHOLD_OF_IAM : DEFAULT_HEALTHY_THRESHOLD;
}

/** What an issued credential is made of. */
function issuingOf({ type, admin_secret: adminSecret, provider, http }: SecretEntry): Parameters<typeof missingFor>[0] {
  return {
    ...(type === undefined ? {} : { type }),
    ...(adminSecret === undefined ? {} : { adminSecret }),
    ...(provider === undefined ? {} : { provider: providerDeclaration(provider) }),
    ...(http === undefined ? {} : { http: httpDeclaration(http) }),
  };
}

/** The declared connection with the certificates that it names, or what is wrong with those. */
function connectionOf(entry: SecretEntry, { readBeside }: Reading): ConnectionDeclaration | string | undefined {
  if (!entry.connection) return undefined;
  const { host, port, dbname, nodes, vhost, tls, ...more } = entry.connection;
  const { owner_role: ownerRole, management_port: managementPort, certificate_authority: file } = more;
  const authority = file === undefined ? undefined : readCertificateAuthority(file, readBeside);
  if (authority?.ok === false) return authority.message;
  return {
    host,
    ...(dbname === undefined ? {} : { dbname }),
    tls,
    ...(port === undefined ? {} : { port }),
    ...(ownerRole === undefined ? {} : { ownerRole }),
    ...(authority ? { certificateAuthority: authority.pem } : {}),
    ...(nodes === undefined ? {} : { nodes }),
    ...(managementPort === undefined ? {} : { managementPort }),
    ...(vhost === undefined ? {} : { vhost }),
  };
}

/** Where a path inside the secret begins, or the nearest part of it that is there. */
function offsetAt(secret: unknown, path: readonly string[]): number {
  const node = nodeAt(secret, path);
  return node === undefined && path.length > 0 ? offsetAt(secret, path.slice(0, -1)) : offsetOf(node);
}
