import { dirname, join } from 'node:path';

import type { ReadBeside } from './configuration-file.ts';
import type { Configuration } from './declaration.ts';
import { fileText } from './file-text.ts';
import { inspectTree, PLAINTEXT } from './inspect-tree.ts';
import { OPENCLAW_FILE, parseOpenClaw } from './openclaw-settings.ts';
import type { KeyDefaults } from './key-defaults.ts';
import { findSecretForms } from './plaintext-detection.ts';
import { Positions } from './positions.ts';
import { inFileOrder, type Problem } from './problem.ts';
import { readEnvironments } from './read-environments.ts';
import { Reading } from './reading.ts';
import type { RolloutSettings } from './rollout-settings.ts';
import type { RotationDefaults } from './rotation-defaults.ts';
import { readYaml } from './yaml-document.ts';
import type { Finding } from './yaml-tokens.ts';

export type ParseResult =
  | { readonly ok: true; readonly configuration: Configuration; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

interface ConfigurationFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * What a configuration file says, or everything that is wrong with it, in file order; then what is wrong with the
 * `openclaw.json` beside it. Never throws, whatever the bytes are; its work is bounded by their number, and no problem
 * quotes what may be a secret. `readBeside` gives the bytes of a file beside it (`openclaw.json`, and for
 * `certificate_authority`); `now` only decides whether a cron expression's years are over.
 */
export function parseConfiguration(
  file: ConfigurationFile,
  readBeside?: ReadBeside,
  now: Date = new Date(),
): ParseResult {
  const openClaw = parseOpenClaw(join(dirname(file.path), OPENCLAW_FILE), readBeside?.(OPENCLAW_FILE));
  const { settings: defaults, keys, rotations } = openClaw;
  const result = parseSecrets(file, { readBeside, now, defaults, keys, rotations });
  const problems = [...(result.ok ? [] : result.problems), ...openClaw.problems];
  if (!result.ok || problems.length > 0) return { ok: false, problems };
  return { ...result, warnings: [...result.warnings, ...openClaw.warnings] };
}

function parseSecrets(
  file: ConfigurationFile,
  options: {
    readonly readBeside: ReadBeside | undefined;
    readonly now: Date;
    readonly defaults: RolloutSettings;
    readonly keys: KeyDefaults;
    readonly rotations: RotationDefaults;
  },
): ParseResult {
  const decoded = fileText(file.bytes);
  if (!decoded.ok) {
    const { line, column } = new Positions(decoded.before).at(decoded.before.length);
    return { ok: false, problems: [{ path: file.path, line, column, message: decoded.message }] };
  }
  const { text } = decoded;
  const positions = new Positions(text);
  const locate = ({ offset, message }: Finding): Problem => ({ path: file.path, ...positions.at(offset), message });

  const document = readYaml(text);
  const tree = inspectTree(document.root);
  const problems = [...document.findings, ...tree.findings].map(locate);
  for (const offset of outside(tree.plaintext, findSecretForms(text)))
    problems.push(locate({ offset, message: PLAINTEXT }));
  if (!document.wellFormed) return { ok: false, problems: inFileOrder(problems) };

  const reading = new Reading({ ...options, complained: tree.complained });
  const environments = readEnvironments(document.root, reading);
  for (const finding of reading.problems) problems.push(locate(finding));
  if (problems.length > 0) return { ok: false, problems: inFileOrder(problems) };
  return { ok: true, configuration: { environments }, warnings: inFileOrder(reading.warnings.map(locate)) };
}

/** Offsets in none of the spans: in comments, and in files that are not YAML. Both lists ascend. */
function outside(spans: readonly (readonly [number, number])[], offsets: readonly number[]): readonly number[] {
  let next = 0;
  return offsets.filter((offset) => {
    while ((spans[next]?.[1] ?? Number.POSITIVE_INFINITY) <= offset) next += 1;
    return (spans[next]?.[0] ?? Number.POSITIVE_INFINITY) > offset;
  });
}
