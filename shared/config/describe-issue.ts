import { isMap, isScalar } from 'yaml';
import type * as z from 'zod';

import { quoteText } from './quote-text.ts';
import { nearest } from './suggestion.ts';
import type { Finding } from './yaml-tokens.ts';
import { describeNode, findPair, keyText, nodeAt, offsetOf } from './yaml-tree.ts';

type Issue = z.core.$ZodIssue;

export interface IssueContext {
  /** The node that the schema was applied to. */
  readonly node: unknown;
  /** What it is, with its article: `a secret`. */
  readonly what: string;
  /** The keys that each level of it may have, by the path's keys: `''`, `connection`, `preheat`. */
  readonly keys: Readonly<Record<string, readonly string[]>>;
  /** Nodes about which something has been said already. */
  readonly complained: ReadonlySet<unknown>;
}

/** How many unknown keys of one mapping are reported: enough to see what is going on. */
const REPORTED_KEYS = 200;

/** What zod's issue means at its place in the file; nothing for nodes that have their complaint. */
export function describeIssue(issue: Issue, context: IssueContext): readonly Finding[] {
  const node = nodeAt(context.node, issue.path);
  if (issue.code === 'unrecognized_keys') return unknownKeys(node, issue, context);
  if (context.complained.has(node)) return [];
  const missing = node === undefined && issue.path.length > 0;
  const parent = nodeAt(context.node, issue.path.slice(0, -1));
  const key = String(issue.path.at(-1));
  const pair = isMap(parent) ? findPair(parent, key) : undefined;
  const found = missing ? `${key} is missing` : (param(issue, 'found') ?? describeNode(node, quoteText));
  const unquoted = issue.code === 'invalid_type' && issue.expected === 'string' && isBare(node);
  return [
    {
      offset: offsetOf(node ?? pair?.key ?? parent),
      message: sentence(unquoted ? `${found} without quotes` : found, issue.message, suggestionOf(issue, node)),
    },
  ];
}

/** A scalar that quotes would have made text. */
function isBare(node: unknown): boolean {
  return isScalar(node) && (typeof node.value === 'number' || typeof node.value === 'boolean');
}

/** `found; allowed; did you mean "…"?` */
export function sentence(found: string, allowed: string, suggestion?: string): string {
  return `${found}; ${allowed}${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`;
}

function suggestionOf(issue: Issue, node: unknown): string | undefined {
  if (issue.code === 'custom') return param(issue, 'suggestion');
  const value: unknown = (node as { value?: unknown } | undefined)?.value;
  if (issue.code !== 'invalid_value' || typeof value !== 'string') return undefined;
  return nearest(
    value,
    issue.values.filter((allowed) => typeof allowed === 'string'),
  );
}

/** What a check of our own says besides its message: `suggestion`, and `found` where the text itself is not to be quoted. */
function param(issue: Issue, name: 'found' | 'suggestion'): string | undefined {
  const given: unknown = issue.code === 'custom' ? issue.params?.[name] : undefined;
  return typeof given === 'string' ? given : undefined;
}

function unknownKeys(node: unknown, issue: Issue & { code: 'unrecognized_keys' }, context: IssueContext): Finding[] {
  if (!isMap(node)) return [];
  const level = String(issue.path.at(-1) ?? '');
  const allowed = context.keys[level] ?? [];
  const what = level === '' ? context.what : level;
  const unknown = new Set(issue.keys);
  const findings: Finding[] = [];
  for (const pair of node.items) {
    const key = keyText(pair);
    if (findings.length === REPORTED_KEYS) break;
    if (key === undefined || !unknown.delete(key) || context.complained.has(pair.key)) continue;
    findings.push({
      offset: offsetOf(pair.key),
      message: sentence(
        `found the unknown key ${quoteText(key)}`,
        `${what} has ${allowed.join(', ')}`,
        nearest(key, allowed),
      ),
    });
  }
  return findings;
}
