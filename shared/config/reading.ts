import type * as z from 'zod';

import type { ReadBeside } from './configuration-file.ts';
import { describeIssue } from './describe-issue.ts';
import type { KeyDefaults } from './key-defaults.ts';
import { DEFAULT_SETTINGS, type RolloutSettings } from './rollout-settings.ts';
import { NO_ROTATIONS, type RotationDefaults } from './rotation-defaults.ts';
import type { Finding } from './yaml-tokens.ts';
import { toPlain } from './yaml-tree.ts';

export interface SchemaLabel {
  /** What the node is, with its article: `a secret`. */
  readonly what: string;
  /** The keys that each level of it may have. */
  readonly keys: Readonly<Record<string, readonly string[]>>;
  /** Fields that may be missing without a change to what the others say: where one is wrong, the rest is read without it. */
  readonly dispensable?: readonly string[];
}

/** One reading of one file: what it may look at, and everything that it has to say, in no order yet. */
export class Reading {
  readonly problems: Finding[] = [];
  readonly warnings: Finding[] = [];
  readonly now: Date;
  readonly readBeside: ReadBeside | undefined;
  readonly defaults: RolloutSettings;
  readonly keys: KeyDefaults;
  readonly rotations: RotationDefaults;
  readonly #complained: ReadonlySet<unknown>;

  constructor(options: {
    readonly now: Date;
    readonly readBeside?: ReadBeside | undefined;
    /** What holds for a secret that does not say otherwise. */
    readonly defaults?: RolloutSettings;
    /** What holds for a secret of a type that does not say otherwise. */
    readonly keys?: KeyDefaults;
    readonly rotations?: RotationDefaults;
    /** Nodes about which something has been said already. */
    readonly complained: ReadonlySet<unknown>;
  }) {
    this.now = options.now;
    this.readBeside = options.readBeside;
    this.defaults = options.defaults ?? DEFAULT_SETTINGS;
    this.keys = options.keys ?? {};
    this.rotations = options.rotations ?? NO_ROTATIONS;
    this.#complained = options.complained;
  }

  report(finding: Finding): void {
    this.problems.push(finding);
  }

  warn(finding: Finding): void {
    this.warnings.push(finding);
  }

  /**
   * The node as the schema reads it. If it does not, every issue is reported at its place, and what comes back is the node
   * without unknown keys and what is dispensable and wrong; undefined where that is not enough, or nothing is dispensable.
   */
  check<Schema extends z.ZodType>(schema: Schema, node: unknown, label: SchemaLabel): z.output<Schema> | undefined {
    const result = schema.safeParse(toPlain(node));
    if (result.success) return result.data;
    const { issues } = result.error;
    const context = { node, complained: this.#complained, ...label };
    for (const issue of issues) this.problems.push(...describeIssue(issue, context));
    const { dispensable } = label;
    return dispensable && schema.safeParse(without(issues, toPlain(node), dispensable)).data;
  }
}

/** Plain data without unknown keys, and without those of the given fields that have other issues. */
function without(issues: readonly z.core.$ZodIssue[], plain: unknown, dispensable: readonly string[]): unknown {
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    const level = issue.path.reduce((value, key) => (value as Record<PropertyKey, unknown>)[key], plain);
    for (const key of issue.keys) Reflect.deleteProperty(level as object, key);
  }
  for (const { code, path } of issues) {
    const [field] = path;
    if (code !== 'unrecognized_keys' && typeof field === 'string' && dispensable.includes(field))
      Reflect.deleteProperty(plain as object, field);
  }
  return plain;
}
