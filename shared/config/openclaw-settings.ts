import { isMap, isScalar, type YAMLMap } from 'yaml';
import * as z from 'zod';

import { fileText } from './file-text.ts';
import { readJson5 } from './json5-document.ts';
import type { KeyDefaults } from './key-defaults.ts';
import { KEY_MANAGEMENT, readKeyManagement } from './key-management.ts';
import { Positions } from './positions.ts';
import { inFileOrder, type Problem } from './problem.ts';
import { quoteText } from './quote-text.ts';
import { Reading } from './reading.ts';
import { REPORTED_KEYS, reportRepeated } from './repeated-keys.ts';
import { NO_ROTATIONS, type RotationDefaults, rotationPolicySchema, rotationsByType } from './rotation-defaults.ts';
import { DEFAULT_SETTINGS, reloadOf, type RolloutSettings } from './rollout-settings.ts';
import { reloadSchema } from './schema.ts';
import { flag } from './schema-text.ts';
import { nearest } from './suggestion.ts';
import type { Finding } from './yaml-tokens.ts';
import { findPair, keyText, offsetOf } from './yaml-tree.ts';

/** OpenClaw's own configuration file; Rekey reads two blocks of it, where it lies beside `secrets.yaml`. */
export const OPENCLAW_FILE = 'openclaw.json';

/** OpenClaw's settings are some KiB; `json5` takes up to 2 s for a MiB. */
const MAX_BYTES = 256 * 1024;
const BLOCK = 'secretsManagement';

const applySchema = z.strictObject(
  {
    zero_downtime: flag('zero_downtime').optional(),
    rollingUpdate: flag('rollingUpdate').optional(),
    parallelSwitch: flag('parallelSwitch').optional(),
  },
  { error: 'apply is an object with zero_downtime, rollingUpdate, parallelSwitch' },
);

const blockSchema = z.strictObject(
  {
    enabled: flag('enabled').optional(),
    apply: applySchema.optional(),
    reload: reloadSchema.optional(),
    // Known, and without an effect yet.
    workflow: z.unknown().optional(),
    rotationPolicy: rotationPolicySchema.optional(),
    audit: z.unknown().optional(),
  },
  { error: `${BLOCK} is an object with apply and reload` },
);

/** The keys whose values are looked into. */
const LEVELS = ['apply', 'reload', 'rotationPolicy'] as const;

const LABEL = {
  what: BLOCK,
  keys: {
    '': Object.keys(blockSchema.shape),
    apply: Object.keys(applySchema.shape),
    reload: Object.keys(reloadSchema.shape),
    rotationPolicy: Object.keys(rotationPolicySchema.shape),
  },
};

export interface OpenClawSettings {
  /** The defaults of every secret. */
  readonly settings: RolloutSettings;
  /** The defaults of the secrets of some types. */
  readonly keys: KeyDefaults;
  readonly rotations: RotationDefaults;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/**
 * What an `openclaw.json` says about rotations, rollouts and keys, and everything that is wrong with these parts of it. Never throws;
 * the work is bounded by the file's size, and no problem quotes what may be a secret. Where there is no file, nothing is
 * said.
 */
export function parseOpenClaw(path: string, bytes: Uint8Array | 'unreadable' | undefined): OpenClawSettings {
  if (bytes === undefined)
    return { settings: DEFAULT_SETTINGS, keys: {}, rotations: NO_ROTATIONS, problems: [], warnings: [] };
  if (bytes === 'unreadable')
    return wrong({
      path,
      line: 1,
      column: 1,
      message: `found no readable file; ${OPENCLAW_FILE} is a file (no link that leads elsewhere), or is not there`,
    });
  const decoded = fileText(bytes, MAX_BYTES);
  if (!decoded.ok) {
    const place = new Positions(decoded.before).at(decoded.before.length);
    return wrong({ path, ...place, message: decoded.message });
  }
  const positions = new Positions(decoded.text);
  const locate = ({ offset, message }: Finding): Problem => ({ path, ...positions.at(offset), message });

  const document = readJson5(decoded.text);
  if (!document.ok) return wrong(locate(document.finding));
  const reading = new Reading({ now: new Date(0), complained: new Set() });
  const { root } = document;
  if (!isMap(root)) {
    const message = `found no object; ${OPENCLAW_FILE} is an object in JSON5`;
    return wrong(locate({ offset: offsetOf(root), message }));
  }
  const block = readBlock(root, reading);
  const keys = readKeyManagement(root, reading);
  warnOfMisspelling(root, reading);
  return {
    settings: settingsIn(block),
    keys,
    rotations: { byType: rotationsByType(block?.rotationPolicy, keys), isComplete: reading.problems.length === 0 },
    problems: inFileOrder(reading.problems.map(locate)),
    warnings: inFileOrder(reading.warnings.map(locate)),
  };
}

/** Undefined where there is none that counts. */
function readBlock(root: YAMLMap, reading: Reading): z.output<typeof blockSchema> | undefined {
  const pair = findPair(root, BLOCK);
  if (!pair) return undefined;
  const block = pair.value;
  const enabled = isMap(block) ? findPair(block, 'enabled')?.value : undefined;
  if (isScalar(enabled) && enabled.value === false) {
    reading.warn({ offset: offsetOf(enabled), message: `found enabled: false; the rest of ${BLOCK} is ignored` });
    return undefined;
  }
  reportRepeated(root, reading, (key) => key === BLOCK);
  if (isMap(block))
    for (const level of [block, ...LEVELS.map((key) => findPair(block, key)?.value)])
      if (isMap(level)) reportRepeated(level, reading);
  return reading.check(blockSchema, block, LABEL);
}

function settingsIn(written: z.output<typeof blockSchema> | undefined): RolloutSettings {
  const { rollout, reload } = DEFAULT_SETTINGS;
  return {
    rollout: {
      ...rollout,
      zeroDowntime: written?.apply?.zero_downtime ?? rollout.zeroDowntime,
      rollingUpdate: written?.apply?.rollingUpdate ?? rollout.rollingUpdate,
      parallelSwitch: written?.apply?.parallelSwitch ?? rollout.parallelSwitch,
    },
    reload: reloadOf(written?.reload, reload),
  };
}

/** Other keys are OpenClaw's, so a misspelt one is only suspicious. */
function warnOfMisspelling(root: YAMLMap, reading: Reading): void {
  const absent = [BLOCK, KEY_MANAGEMENT].filter((block) => !findPair(root, block));
  for (const pair of root.items.slice(0, REPORTED_KEYS)) {
    const key = keyText(pair) ?? '';
    const meant = nearest(key, absent);
    if (meant !== undefined)
      reading.warn({
        offset: offsetOf(pair.key),
        message: `found the key ${quoteText(key)}, which Rekey ignores; did you mean "${meant}"?`,
      });
  }
}

function wrong(problem: Problem): OpenClawSettings {
  const rotations = { byType: {}, isComplete: false };
  return { settings: DEFAULT_SETTINGS, keys: {}, rotations, problems: [problem], warnings: [] };
}
