/** The bounds of one field of a cron expression, and the names that may stand for its numbers (the first for `first`). */
export interface CronField {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  readonly names?: readonly string[];
  /** Further forms that the field takes, for the message. */
  readonly also?: string;
}

/** The numbers that `*`, `5`, `1-5`, `0/15`, `MON-FRI` or a list of them stand for, ascending; or what is allowed. */
export function expandField(text: string, field: CronField): readonly number[] | string {
  if (text === '*') return wholeField(field);
  const numbers = new Set<number>();
  const parts = text.split(',', 101);
  if (parts.length > 100) return allowed(field);
  for (const part of parts) {
    const range = expandPart(part, field);
    if (range === undefined) return allowed(field);
    for (let value = range.from; value <= range.to; value += range.step) numbers.add(value);
  }
  return [...numbers].sort((a, b) => a - b);
}

const wholeFields = new Map<string, readonly number[]>();

/** Kept per field, because almost every expression has `*` for the 230 years. */
function wholeField(field: CronField): readonly number[] {
  const known = wholeFields.get(field.name);
  if (known) return known;
  const all = Array.from({ length: field.last - field.first + 1 }, (_, index) => field.first + index);
  wholeFields.set(field.name, all);
  return all;
}

function expandPart(text: string, field: CronField): { from: number; to: number; step: number } | undefined {
  const match = /^(?:\*|([A-Z]{3}|\d{1,4})(?:-([A-Z]{3}|\d{1,4}))?)(?:\/(\d{1,4}))?$/.exec(text);
  if (!match) return undefined;
  const step = match[3] === undefined ? 1 : Number(match[3]);
  if (step < 1) return undefined;
  if (match[1] === undefined) return { from: field.first, to: field.last, step };
  const from = numberOf(match[1], field);
  // AWS reads `5/15` as "from 5, every 15".
  const to = match[2] !== undefined ? numberOf(match[2], field) : match[3] !== undefined ? field.last : from;
  if (from === undefined || to === undefined || to < from) return undefined;
  return { from, to, step };
}

function numberOf(text: string, field: CronField): number | undefined {
  const named = field.names?.indexOf(text) ?? -1;
  if (named !== -1) return field.first + named;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return value >= field.first && value <= field.last ? value : undefined;
}

function allowed(field: CronField): string {
  const names = field.names ? ` or ${field.names[0]}-${field.names.at(-1)}` : '';
  return `${field.name} in cron(…) is ${field.first}-${field.last}${names}, *, ranges, lists and steps${field.also ?? ''}`;
}
