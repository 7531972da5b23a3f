import { changedNumbers } from './body-numbers.ts';
import type { ConnectionDeclaration, SecretDeclaration } from './declaration.ts';
import { HTTP_KEYS, httpDeclaration } from './http-schema.ts';
import { narrowingOf } from './key-defaults.ts';
import { brokenPermissionRules, doubtfulPermissionRules } from './permission-rules.ts';
import { policyDeclaration } from './policy-schema.ts';
import { preheatOf } from './preheat-rules.ts';
import { providerDeclaration } from './provider-schema.ts';
import { type Authorities, readAuthorities } from './read-authorities.ts';
import type { Reading } from './reading.ts';
import { missingFor } from './required-fields.ts';
import { brokenRolloutRules, doubtfulRolloutRules } from './rollout-rules.ts';
import { settingsOf } from './rollout-settings.ts';
import { missingRotation, rotationOf } from './rotation-of.ts';
import { type SecretEntry, secretSchema } from './schema.ts';
import { brokenRules, defaultGraceSeconds, doubtfulRules } from './secret-rules.ts';
import { fieldFindings } from './type-fields.ts';
import { offsetAt } from './yaml-tree.ts';

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

/** Fields without which the others say the same: a wrong one does not keep the rest from being judged. */
const DISPENSABLE: readonly (keyof typeof secretSchema.shape)[] = [
  'scope',
  'rotation',
  'access_level',
  'grace',
  'rotate_immediately',
  'connection',
  'provider',
  'http',
  'policy',
  'privileges',
  'scheduler',
  'preheat',
  'end_sessions',
  'apply',
];

/** One entry of `secrets:`, completed with defaults; undefined if something was reported, here or of `openclaw.json`. */
export function readSecret(node: unknown, reading: Reading): SecretDeclaration | undefined {
  const reported = reading.problems.length;
  const misplaced = [...fieldFindings(node), ...changedNumbers(node), ...missingRotation(node, reading.rotations)];
  for (const finding of misplaced) reading.report(finding);
  const written = reading.check(secretSchema, node, { what: 'a secret', keys: KEYS, dispensable: DISPENSABLE });
  if (!written) return undefined;
  const { rotation, isKnown } = rotationOf(written, { node, defaults: reading.rotations });
  const entry = { ...written, rotation };
  const settings = settingsOf(entry, reading.defaults);
  const authorities = readAuthorities(entry, node, reading);
  const issuing = issuingOf(entry, authorities);
  const about = { missing: missingFor(issuing), now: reading.now };
  const doubtful = [
    ...doubtfulRules(entry, about),
    ...doubtfulRolloutRules(entry, settings),
    ...doubtfulPermissionRules(entry, reading.keys),
  ];
  for (const { at, message } of doubtful) reading.warn({ offset: offsetAt(node, at), message });
  const broken = [
    ...brokenRules(entry),
    ...brokenRolloutRules(entry, settings),
    ...brokenPermissionRules(entry, reading.keys),
  ];
  for (const { at, message } of broken) reading.report({ offset: offsetAt(node, at), message });

  if (!authorities || !isKnown || reading.problems.length > reported) return undefined;
  const connection = connectionOf(entry, authorities);
  const { name, privileges } = entry;
  const { type, adminSecret, provider, http } = issuing;
  const { scope, permissions } = narrowingOf(entry, reading.keys);
  // In this order for ever: Configure takes a record whose text differs for one that has changed.
  return {
    name,
    ...(type === undefined ? {} : { type }),
    ...(scope === undefined ? {} : { scope }),
    ...(entry.access_level === undefined ? {} : { accessLevel: entry.access_level }),
    schedule: rotation.schedule,
    rotation: rotation.written,
    graceSeconds: settings.reload.backwardsCompat ? (entry.grace ?? defaultGraceSeconds(entry)) : 0,
    rotateImmediately: entry.rotate_immediately ?? true,
    ...(adminSecret === undefined ? {} : { adminSecret }),
    ...(connection ? { connection } : {}),
    mode: entry.mode,
    ...preheatOf(entry),
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

/** What an issued credential is made of. */
function issuingOf(
  { type, admin_secret: adminSecret, provider, http }: SecretEntry,
  authorities: Authorities = {},
): Parameters<typeof missingFor>[0] {
  return {
    ...(type === undefined ? {} : { type }),
    ...(adminSecret === undefined ? {} : { adminSecret }),
    ...(provider === undefined ? {} : { provider: providerDeclaration(provider, authorities.provider) }),
    ...(http === undefined ? {} : { http: httpDeclaration(http, authorities.http) }),
  };
}

/** The declared connection with the certificates of the file that it names. */
function connectionOf(entry: SecretEntry, authorities: Authorities): ConnectionDeclaration | undefined {
  if (!entry.connection) return undefined;
  const { host, port, dbname, nodes, vhost, tls, ...more } = entry.connection;
  const { owner_role: ownerRole, management_port: managementPort, users_kept_by: usersKeptBy } = more;
  const certificateAuthority = authorities.connection;
  return {
    host,
    ...(dbname === undefined ? {} : { dbname }),
    tls,
    ...(port === undefined ? {} : { port }),
    ...(ownerRole === undefined ? {} : { ownerRole }),
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    ...(nodes === undefined ? {} : { nodes }),
    ...(usersKeptBy === undefined ? {} : { usersKeptBy }),
    ...(managementPort === undefined ? {} : { managementPort }),
    ...(vhost === undefined ? {} : { vhost }),
  };
}
