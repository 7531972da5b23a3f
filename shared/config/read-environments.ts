import { isMap, isScalar, isSeq, type YAMLMap } from 'yaml';

import { alertSchema, alertSubscription } from './alert-schema.ts';
import type { AlertSubscription, EnvironmentDeclaration, SecretDeclaration } from './declaration.ts';
import { sentence } from './describe-issue.ts';
import { quoteText } from './quote-text.ts';
import { readSecret } from './read-secret.ts';
import type { Reading } from './reading.ts';
import { environmentName, environmentSchema, rootSchema } from './schema.ts';
import { findPair, keyText, offsetOf } from './yaml-tree.ts';

const DEFAULT_ENVIRONMENT = 'production';
const ROOT_LABEL = { what: 'a configuration file', keys: { '': Object.keys(rootSchema.shape) } };
const ENVIRONMENT_LABEL = { what: 'an environment', keys: { '': Object.keys(environmentSchema.shape) } };
const ALERT_LABEL = { what: 'an alert', keys: { '': Object.keys(alertSchema.shape) } };
const EXPECTED = 'a configuration file has secrets: or environments:';

/** The environments of a whole file. Everything that is wrong is reported; what comes back then is incomplete. */
export function readEnvironments(root: unknown, reading: Reading): readonly EnvironmentDeclaration[] {
  if (root === null || (isScalar(root) && root.value === null)) {
    reading.report({ offset: 0, message: `the file is empty; ${EXPECTED}` });
    return [];
  }
  if (!isMap(root)) {
    const found = isSeq(root) ? 'found a list' : 'found a text';
    reading.report({ offset: offsetOf(root), message: `${found}; ${EXPECTED}` });
    return [];
  }
  reading.check(rootSchema, root, ROOT_LABEL);
  const alerts = readAlerts(root, reading);
  const environments = findPair(root, 'environments');
  if (!environments) {
    if (!findPair(root, 'secrets'))
      reading.report({ offset: offsetOf(root), message: `found neither secrets: nor environments:; ${EXPECTED}` });
    return [{ name: nameOf(root), secrets: readSecrets(root, reading), alerts }];
  }
  for (const key of ['secrets', 'environment']) {
    const pair = findPair(root, key);
    if (pair)
      reading.report({
        offset: offsetOf(pair.key),
        message: `found ${key}: beside environments:; with environments, each has its own secrets:`,
      });
  }
  // What else it may be has been reported by the schema.
  if (!isMap(environments.value)) return [];
  if (environments.value.items.length === 0)
    reading.report({ offset: offsetOf(environments.value), message: 'found no environment; name at least one' });
  return environments.value.items.flatMap((pair) => {
    const name = keyText(pair);
    if (name === undefined) return [];
    const named = environmentName.safeParse(name);
    if (!named.success)
      reading.report({
        offset: offsetOf(pair.key),
        message: sentence(`found the environment ${quoteText(name)}`, named.error.issues[0]?.message ?? ''),
      });
    reading.check(environmentSchema, pair.value ?? pair.key, ENVIRONMENT_LABEL);
    if (!isMap(pair.value)) return [];
    return [
      { name, secrets: readSecrets(pair.value, reading), alerts: [...alerts, ...readAlerts(pair.value, reading)] },
    ];
  });
}

function nameOf(root: YAMLMap): string {
  const value = findPair(root, 'environment')?.value;
  return isScalar(value) && typeof value.value === 'string' ? value.value : DEFAULT_ENVIRONMENT;
}

function readSecrets(level: YAMLMap, reading: Reading): readonly SecretDeclaration[] {
  const list = itemsOf(level, 'secrets');
  if (list?.length === 0)
    reading.warn({
      offset: offsetOf(findPair(level, 'secrets')?.key),
      message: 'found no secrets; nothing will rotate',
    });
  const names = new Set<string>();
  return (list ?? []).flatMap((node) => {
    const name = isMap(node) ? findPair(node, 'name')?.value : undefined;
    if (isScalar(name) && typeof name.value === 'string') {
      if (names.has(name.value))
        reading.report({
          offset: offsetOf(name),
          message: `found the name ${quoteText(name.value)} again; a name is there once in an environment`,
        });
      names.add(name.value);
    }
    return readSecret(node, reading) ?? [];
  });
}

function readAlerts(level: YAMLMap, reading: Reading): readonly AlertSubscription[] {
  return (itemsOf(level, 'alerts') ?? []).flatMap((node) => {
    const entry = reading.check(alertSchema, node, ALERT_LABEL);
    if (!entry) return [];
    const subscription = alertSubscription(entry);
    if (typeof subscription !== 'string') return [subscription];
    reading.report({ offset: offsetOf(node), message: subscription });
    return [];
  });
}

function itemsOf(level: YAMLMap, key: string): readonly unknown[] | undefined {
  const value = findPair(level, key)?.value;
  return isSeq(value) ? value.items : undefined;
}
