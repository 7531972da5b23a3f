import { Command } from 'commander';
import { open as openFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import picocolors from 'picocolors';
import type { AuditEntry, AuditTrail } from '../../shared/audit/audit-trail.ts';
import { parseLine } from '../../shared/audit/entry-line.ts';
import { DEFAULT_ENVIRONMENT } from '../deployment.ts';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import type { Output } from '../output.ts';
import { type AuditFilter, isFiltering, matches, RISK_LEVELS } from './audit-filter.ts';
import { printable } from './printable.ts';

const EXAMPLES = `
Times are ISO 8601: 2026-03-01 or 2026-03-01T08:00:00Z; --since includes its moment, --until does not.
With --limit the newest N entries of all secrets named; otherwise secret by secret, in the order of the chain.

Examples:
  $ rekey audit log                                          everything
  $ rekey audit log prod/openai --since 2026-03-01           one secret since March
  $ rekey audit log --action rotation.apply --risk critical --limit 20
  $ rekey audit log --rotation 3f0c1d1e-6d1c-4c8e-9a3e-0b7c7f3d9f11
  $ rekey audit log --json | jq .action                      the exact lines that were hashed
  $ rekey audit log --output trail.jsonl                     an export for \`rekey audit verify trail.jsonl\``;

/** Finds the audit trail of a deployed environment. */
export type OpenAuditTrail = (environment: string) => Promise<AuditTrail>;

interface LogOptions extends AuditFilter {
  readonly environment: string;
  readonly limit?: number;
  readonly json?: boolean;
  readonly output?: string;
}

interface Row {
  readonly line: string;
  /** `undefined` for a line that is not as it was written. */
  readonly entry: AuditEntry | undefined;
}

/** `rekey audit log [SECRET…]`: entries as a table, as exact export lines, or into a file. Reads only. */
export function auditLogCommand(output: Output, open: OpenAuditTrail): Command {
  return new Command('log')
    .description('show audit entries')
    .argument('[secrets...]', 'names of secrets (default: all)')
    .option('-e, --environment <name>', 'the deployed environment', DEFAULT_ENVIRONMENT)
    .option('--action <prefix>', 'only actions that begin so')
    .option('--agent <name>', 'only what this agent did')
    .option('--rotation <id>', 'only this rotation')
    .option('--since <time>', 'only from this time on', parseTime)
    .option('--until <time>', 'only before this time', parseTime)
    .option('--risk <level>', `only this risk level: ${RISK_LEVELS.join(', ')}`, parseRisk)
    .option('--limit <n>', 'at most the newest n entries', parseLimit)
    .option('--json', 'print export lines (canonical JSON, one entry a line)')
    .option('--output <file>', 'write export lines to a new file')
    .addHelpText('after', EXAMPLES)
    .action(async (secrets: readonly string[], options: LogOptions) => {
      const trail = await open(options.environment);
      const found = rows(output, trail, secrets, options);
      const wanted = options.limit === undefined ? found : newest(found, options.limit);
      if (options.output !== undefined) return exportTo(output, options.output, wanted, isPartial(options));
      if (options.json !== true) return table(output, wanted);
      for await (const { line } of wanted) output.line(line);
    });
}

function isPartial(options: LogOptions): boolean {
  return options.limit !== undefined || isFiltering(options);
}

/** A line that is not as written shows only when nothing is filtered: nobody can say what it would match. */
async function* rows(
  output: Output,
  trail: AuditTrail,
  secrets: readonly string[],
  filter: AuditFilter,
): AsyncGenerator<Row> {
  const named = secrets.length > 0 ? [...new Set(secrets)] : await sortedIds(trail);
  for (const secretId of named) {
    let count = 0;
    for await (const line of trail.lines(secretId)) {
      count += 1;
      const parsed = parseLine(line);
      const entry = typeof parsed === 'string' ? undefined : parsed.entry;
      if (entry === undefined) {
        output.note(`${printable(secretId)}: entry ${count} is not as it was written. Run: rekey audit verify`);
      }
      if (entry === undefined ? !isFiltering(filter) : matches(entry, filter)) yield { line, entry };
    }
    if (count === 0) output.note(`${printable(secretId)}: no audit entries.`);
  }
}

async function sortedIds(trail: AuditTrail): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const id of trail.secretIds()) ids.push(id);
  return ids.sort();
}

/** The newest `limit` rows by timestamp, oldest first. Holds twice the limit at most. */
async function* newest(found: AsyncIterable<Row>, limit: number): AsyncGenerator<Row> {
  let kept: Row[] = [];
  const keep = (): Row[] => kept.sort((a, b) => compare(a.entry?.timestamp, b.entry?.timestamp)).slice(-limit);
  for await (const row of found) {
    kept.push(row);
    if (kept.length >= 2 * limit) kept = keep();
  }
  yield* keep();
}

function compare(a = '', b = ''): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

async function table(output: Output, found: AsyncIterable<Row>): Promise<void> {
  const cells: string[][] = [];
  for await (const { entry } of found) if (entry !== undefined) cells.push(cellsOf(entry));
  if (cells.length === 0) return output.note('No entries.');
  const head = ['TIME', 'SECRET', '#', 'RISK', 'ACTION', 'AGENT', 'REASON'];
  const all = [head, ...cells];
  const widths = head.map((_, column) => all.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0));
  const { bold, red } = picocolors.createColors(output.interactive && picocolors.isColorSupported);
  for (const [index, row] of all.entries()) {
    const text = row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
    if (index === 0) output.line(bold(text));
    else output.line(row[3] === 'critical' ? red(text) : text);
  }
}

function cellsOf(entry: AuditEntry): string[] {
  const { timestamp, secret_id, sequence, risk_level, action, agent, context } = entry;
  return [timestamp, secret_id, String(sequence), risk_level, action, agent, context.reason].map(printable);
}

async function exportTo(output: Output, path: string, found: AsyncIterable<Row>, partial: boolean): Promise<void> {
  const file = await openFile(path, 'wx', 0o600).catch((cause: unknown) => {
    const exists = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
    const sentence = exists
      ? `${path} exists. Name a new file: evidence is not overwritten.`
      : `${path} cannot be written. Name a file in a folder that exists and that you may write to.`;
    throw new CommandFailure(sentence, EXIT_CODE.environment, { cause });
  });
  let count = 0;
  const lines = async function* (): AsyncGenerator<string> {
    for await (const { line } of found) {
      count += 1;
      yield `${line}\n`;
    }
  };
  // Ends on disk, not in a cache; closes the file also when reading the trail fails.
  await pipeline(lines, file.createWriteStream({ flush: true }));
  output.note(`${count} ${count === 1 ? 'entry' : 'entries'} written to ${path}.`);
  if (partial) output.note('A selection cannot be verified as a chain: export without filters for that.');
}

function parseTime(text: string): Date {
  const time = new Date(text);
  if (/^\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?$/.test(text) && !Number.isNaN(time.getTime())) return time;
  throw new CommandFailure(
    'A time is ISO 8601 in full: 2026-03-01, or 2026-03-01T08:00:00Z with its zone.',
    EXIT_CODE.usage,
  );
}

function parseRisk(text: string): AuditEntry['risk_level'] {
  const level = RISK_LEVELS.find((level) => level === text);
  if (level === undefined) throw new CommandFailure(`--risk takes one of: ${RISK_LEVELS.join(', ')}.`, EXIT_CODE.usage);
  return level;
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new CommandFailure('--limit takes a whole number from 1 on.', EXIT_CODE.usage);
}
