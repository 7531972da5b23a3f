import { readCertificateAuthority } from './certificate-authority.ts';
import type { ConnectionDeclaration, SecretDeclaration } from './declaration.ts';
import { secretSchema } from './schema.ts';
import { brokenRules, defaultGraceSeconds, doubtfulRules } from './secret-rules.ts';
import type { Reading } from './reading.ts';
import { brokenRolloutRules, doubtfulRolloutRules } from './rollout-rules.ts';
import { settingsOf } from './rollout-settings.ts';
import { nodeAt, offsetOf } from './yaml-tree.ts';

const DEFAULT_PREHEAT_SECONDS = 30;
const DEFAULT_HEALTHY_THRESHOLD = 2;

const KEYS = {
  '': Object.keys(secretSchema.shape),
  connection: Object.keys(secretSchema.shape.connection.unwrap().shape),
  preheat: Object.keys(secretSchema.shape.preheat.unwrap().shape),
  apply: Object.keys(secretSchema.shape.apply.unwrap().shape),
  reload: Object.keys(secretSchema.shape.reload.unwrap().shape),
};

/** One entry of `secrets:`, completed with defaults; undefined if something was reported. */
export function readSecret(node: unknown, reading: Reading): SecretDeclaration | undefined {
  const entry = reading.check(secretSchema, node, { what: 'a secret', keys: KEYS });
  if (!entry) return undefined;
  const offsetAt = (path: readonly string[]): number => offsetOf(nodeAt(node, path) ?? node);
  const settings = settingsOf(entry, reading.defaults);
  const doubtful = [...doubtfulRules(entry, reading.now), ...doubtfulRolloutRules(entry, settings)];
  for (const { at, message } of doubtful) reading.warn({ offset: offsetAt(at), message });
  const broken = [...brokenRules(entry), ...brokenRolloutRules(entry, settings)];
  for (const { at, message } of broken) reading.report({ offset: offsetAt(at), message });

  let connection: ConnectionDeclaration | undefined;
  if (entry.connection) {
    const { certificate_authority: file, owner_role: ownerRole, port, ...rest } = entry.connection;
    const authority = file === undefined ? undefined : readCertificateAuthority(file, reading.readBeside);
    if (authority?.ok === false) {
      reading.report({ offset: offsetAt(['connection', 'certificate_authority']), message: authority.message });
      return undefined;
    }
    connection = {
      ...rest,
      ...(port === undefined ? {} : { port }),
      ...(ownerRole === undefined ? {} : { ownerRole }),
      ...(authority ? { certificateAuthority: authority.pem } : {}),
    };
  }
  if (broken.length > 0) return undefined;
  return {
    name: entry.name,
    ...(entry.type === undefined ? {} : { type: entry.type }),
    ...(entry.scope === undefined ? {} : { scope: entry.scope }),
    ...(entry.access_level === undefined ? {} : { accessLevel: entry.access_level }),
    schedule: entry.rotation.schedule,
    rotation: entry.rotation.written,
    graceSeconds: settings.reload.backwardsCompat ? (entry.grace ?? defaultGraceSeconds(entry)) : 0,
    rotateImmediately: entry.rotate_immediately,
    ...(entry.admin_secret === undefined ? {} : { adminSecret: entry.admin_secret }),
    ...(connection ? { connection } : {}),
    mode: entry.mode,
    preheatSeconds: entry.preheat?.timeout ?? DEFAULT_PREHEAT_SECONDS,
    healthyThreshold: entry.preheat?.health_checks ?? DEFAULT_HEALTHY_THRESHOLD,
    endSessions: entry.end_sessions,
    ...settings,
  };
}
