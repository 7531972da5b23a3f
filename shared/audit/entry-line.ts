import * as z from 'zod/mini';
import type { AuditEntry } from './audit-trail.ts';
import { canonicalJson } from './chain.ts';

/** No entry comes near this: a DynamoDB item ends at 400 KB. */
export const MAX_LINE_CHARACTERS = 512 * 1024;

const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));

/** The shape of an entry. Unknown members are errors at the top; `context` may hold any flat fact. */
const entrySchema = z.strictObject({
  timestamp: z.string().check(z.regex(/^(?:\d{4}|\+\d{6})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)),
  secret_id: z.string(),
  action: z.string(),
  agent: z.string(),
  context: z.catchall(
    z.object({ ip_address: z.string(), reason: z.string() }),
    z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]),
  ),
  risk_level: z.enum(['critical', 'high', 'medium', 'low']),
  sequence: z.int().check(z.positive()),
  previous_hash: sha256,
  hash: sha256,
});

/** A line that is an entry: its content, and the bytes whose SHA-256 its `hash` has to be. */
export interface ParsedLine {
  readonly entry: AuditEntry;
  readonly canonical: string;
}

export type LineFault = 'too_long' | 'not_text' | 'not_json' | 'not_an_entry' | 'not_as_written';

/**
 * Reads one export line and accepts only the exact bytes that Rekey writes: canonical JSON (so no duplicated key, no
 * space, no other spelling of a number) of an entry and nothing else. Safe on hostile input; judges the form, not the
 * hash. Pure.
 */
export function parseLine(line: string): ParsedLine | LineFault {
  if (line.length > MAX_LINE_CHARACTERS) return 'too_long';
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return 'not_json';
  }
  if (!entrySchema.safeParse(value).success) return 'not_an_entry';
  const entry = value as AuditEntry;
  if (!isCanonical(line, entry)) return 'not_as_written';
  return { entry, canonical: withoutHash(line, entry.hash) };
}

/** Puts `hash` into the bytes that were hashed: the reverse of what `parseLine` takes out. Pure. */
export function lineOf(canonical: string, hash: string): string {
  const at = canonical.lastIndexOf(',"previous_hash":"');
  return `${canonical.slice(0, at)},"hash":"${hash}"${canonical.slice(at)}`;
}

/**
 * The members after `hash` are `previous_hash`, `risk_level`, `secret_id`, `sequence` and `timestamp`: nested in none
 * of them, and quotes inside their texts are escaped, so the last place that looks like the member is the member.
 */
function withoutHash(line: string, hash: string): string {
  const member = `,"hash":"${hash}"`;
  const at = line.lastIndexOf(`${member},"previous_hash":"`);
  return line.slice(0, at) + line.slice(at + member.length);
}

/**
 * `JSON.stringify` writes numbers and strings as RFC 8785 does, so sorted keys are what is left to compare; it differs
 * for keys that look like array indexes (their order) and lone surrogates, which take the slow way.
 */
function isCanonical(line: string, entry: AuditEntry): boolean {
  if (!line.includes('\\ud') && isSorted(entry) && isSorted(entry.context) && JSON.stringify(entry) === line)
    return true;
  try {
    return canonicalJson(entry) === line;
  } catch {
    return false;
  }
}

function isSorted(value: object): boolean {
  let previous: string | undefined;
  for (const key of Object.keys(value)) {
    if (previous !== undefined && previous >= key) return false;
    previous = key;
  }
  return true;
}
