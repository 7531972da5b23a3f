import { REDACTED } from '../shared/redact.ts';
import type { SecretValue } from './secret-value.ts';

const LONGEST = 200;
/** Lines of a value that has several (a PEM) are looked for one by one; shorter ones say nothing. */
const SHORTEST_LINE = 8;

/**
 * `name: first line of the message`, at most 200 characters, with every occurrence of the values, of the texts in their
 * JSON and of their usual encodings replaced. For reports and logs.
 */
export function describeFailure(error: unknown, values: readonly SecretValue[]): string {
  return (
    withoutValues(`${nameOf(error)}: ${messageOf(error)}`, values)
      .split(/\p{Cc}/u, 1)[0]
      ?.slice(0, LONGEST) ?? ''
  );
}

/** One line of at most 100 characters that a caller gave, likewise. */
export function shortText(text: string, values: readonly SecretValue[]): string {
  return withoutValues(text, values)
    .replaceAll(/\p{Cc}+/gu, ' ')
    .slice(0, 100);
}

function withoutValues(text: string, values: readonly SecretValue[]): string {
  const forms = new Set(values.flatMap((value) => secretTexts(value)).flatMap(formsOf));
  // One pass, longest first: a replacement is not searched again, and a part never hides the whole.
  const longestFirst = [...forms].filter((form) => form !== '').sort((a, b) => b.length - a.length);
  if (longestFirst.length === 0) return text;
  return text.replaceAll(new RegExp(longestFirst.map(escaped).join('|'), 'g'), REDACTED);
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

function secretTexts(value: SecretValue): readonly string[] {
  const text = value.reveal();
  const leaves = [text, ...leavesOf(parsed(text))];
  return leaves.flatMap((leaf) => [leaf, ...leaf.split(/\r?\n/u).filter((line) => line.length >= SHORTEST_LINE)]);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function leavesOf(node: unknown): readonly string[] {
  if (typeof node === 'string') return [node];
  return typeof node === 'object' && node !== null ? Object.values(node).flatMap(leavesOf) : [];
}

function formsOf(text: string): readonly string[] {
  const bytes = Buffer.from(text, 'utf8');
  const base64 = bytes.toString('base64');
  return [
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text.toWellFormed()),
    base64,
    base64.replaceAll('=', ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
  ];
}

/** Of an error, if it looks like a name: anything else might be somebody's text. */
function nameOf(error: unknown): string {
  return error instanceof Error && /^[\w.$]{1,60}$/.test(error.name) ? error.name : 'Error';
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : 'no message';
}
