import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { auditCommand } from '../../../../cli/commands/audit.ts';
import { CommandFailure, EXIT_CODE } from '../../../../cli/exit-code.ts';
import type { Output } from '../../../../cli/output.ts';
import type { AuditOperation } from '../../../../shared/audit/audit-trail.ts';
import { InMemoryAuditTrail } from '../../../fakes/in-memory-audit-trail.ts';

let trail: InMemoryAuditTrail;
let lines: string[];
let notes: string[];
let folder: string;
let exitCode: typeof process.exitCode;

const operation = (id: string, time: string, change: Partial<AuditOperation> = {}): AuditOperation => ({
  operationId: id,
  timestamp: new Date(time),
  action: 'rotation.apply.promoted',
  agent: 'rekey/apply',
  context: { ip_address: '10.0.0.1', reason: `reason ${id}`, rotation_id: 'r1' },
  riskLevel: 'high',
  ...change,
});

async function audit(...args: readonly string[]): Promise<void> {
  const output: Output = {
    line: (text) => void lines.push(text),
    note: (text) => void notes.push(text),
    interactive: false,
  };
  await auditCommand(output, () => Promise.resolve(trail)).parseAsync(args, { from: 'user' });
}

/** The sequence column of the printed entries, by secret. */
const shown = (): string[] => lines.slice(1).map((line) => line.split(/ {2,}/).slice(1, 3).join('#'));
async function linesOf(secretId: string): Promise<string[]> {
  const all: string[] = [];
  for await (const line of trail.lines(secretId)) all.push(line);
  return all;
}

beforeEach(async () => {
  exitCode = process.exitCode;
  process.exitCode = undefined;
  [lines, notes] = [[], []];
  folder = await mkdtemp(join(tmpdir(), 'rekey-audit-'));
  trail = new InMemoryAuditTrail();
  await trail.append('prod/b', [
    operation('1', '2026-03-01T08:00:00Z'),
    operation('2', '2026-03-03T08:00:00Z', { agent: 'agent-7', riskLevel: 'critical' }),
  ]);
  await trail.append('prod/a', [
    operation('3', '2026-03-02T08:00:00Z', { action: 'rotation.generate.lease_taken' }),
    operation('4', '2026-03-04T08:00:00Z', { context: { ip_address: '', reason: 'other', rotation_id: 'r2' } }),
  ]);
});

afterEach(async () => {
  process.exitCode = exitCode;
  await rm(folder, { recursive: true });
});

describe('rekey audit log', () => {
  it('shows a table of all secrets, by name and in the order of each chain', async () => {
    await audit('log');
    expect(lines[0]).toMatch(/^TIME +SECRET +# +RISK +ACTION +AGENT +REASON$/);
    expect(lines[1]).toBe(
      '2026-03-02T08:00:00.000Z  prod/a  1  high      rotation.generate.lease_taken  rekey/apply  reason 3',
    );
    expect(shown()).toEqual(['prod/a#1', 'prod/a#2', 'prod/b#1', 'prod/b#2']);
  });

  it.each([
    ['secrets by name', ['prod/b'], ['prod/b#1', 'prod/b#2']],
    ['a secret named twice, once', ['prod/b', 'prod/b'], ['prod/b#1', 'prod/b#2']],
    ['the beginning of an action', ['--action', 'rotation.gen'], ['prod/a#1']],
    ['an agent', ['--agent', 'agent-7'], ['prod/b#2']],
    ['no part of an agent', ['--agent', 'agent'], []],
    ['a rotation', ['--rotation', 'r2'], ['prod/a#2']],
    ['a moment on, included', ['--since', '2026-03-03T08:00:00Z'], ['prod/a#2', 'prod/b#2']],
    ['before a moment, excluded', ['--until', '2026-03-03T08:00:00Z'], ['prod/a#1', 'prod/b#1']],
    ['a day on', ['--since', '2026-03-04'], ['prod/a#2']],
    ['a moment in another zone', ['--since', '2026-03-04T09:00:00+01:00'], ['prod/a#2']],
    ['a risk level', ['--risk', 'critical'], ['prod/b#2']],
    ['all of several filters', ['--rotation', 'r1', '--risk', 'high'], ['prod/a#1', 'prod/b#1']],
    ['the newest by time over all secrets', ['--limit', '3'], ['prod/a#1', 'prod/b#2', 'prod/a#2']],
    ['the newest one', ['--limit', '1'], ['prod/a#2']],
    ['the newest of what matches', ['--limit', '1', '--rotation', 'r1'], ['prod/b#2']],
  ])('selects %s', async (_, args, expected) => {
    await audit('log', ...args);
    expect(shown()).toEqual(expected);
  });

  it.each([
    ['--since', 'yesterday'],
    ['--since', '2026-03-04T09:00:00'],
    ['--until', '2026-99-01'],
    ['--risk', 'severe'],
    ['--limit', '0'],
    ['--limit', '1.5'],
    ['--limit', '-1'],
  ])('refuses %s %s as a wrong command line', async (option, value) => {
    const failure = await audit('log', `${option}=${value}`).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CommandFailure);
    expect(failure).toHaveProperty('exitCode', EXIT_CODE.usage);
  });

  it('prints with --json exactly the lines of the trail', async () => {
    await audit('log', '--json', 'prod/b', 'prod/a');
    expect(lines).toEqual([...(await linesOf('prod/b')), ...(await linesOf('prod/a'))]);
    expect(notes).toEqual([]);
  });

  it('strips from the table what could command a terminal or forge a row', async () => {
    const reason = 'a\u001b[2Jb\r\nc\u0000d\u009b31me\u202ef\u2028g\u007f';
    await trail.append('prod/c', [
      operation('5', '2026-03-05T08:00:00Z', {
        context: { ip_address: '', reason },
        agent: 'x\u001b]0;t\u0007',
        action: 'y\n',
      }),
    ]);
    await audit('log', 'prod/c');
    expect(lines).toHaveLength(2);
    // oxlint-disable-next-line no-control-regex -- they are what must not be there
    expect(lines.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e\u2028]/);
    expect(lines[1]).toContain('a\ufffd[2Jb');
  });

  it('strips the names of secrets in its notes', async () => {
    await audit('log', 'no\u001b[2Jsuch');
    expect(notes).toEqual(['no\ufffd[2Jsuch: no audit entries.', 'No entries.']);
    expect(lines).toEqual([]);
  });

  it('exports with --output the exact lines, readable by the owner only, and verifies', async () => {
    const file = join(folder, 'trail.jsonl');
    await audit('log', '--output', file);
    const exported = await readFile(file, 'utf8');
    expect(exported.endsWith('\n')).toBe(true);
    expect(exported.split('\n')).toHaveLength(5);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect([lines, notes]).toEqual([[], [`4 entries written to ${file}.`]]);
    await audit('verify', file);
    expect(lines).toEqual([`${file}: verified: 4 entries of 2 secrets, newest 2026-03-04T08:00:00.000Z`]);
  });

  it('says that a selection is not a chain', async () => {
    await audit('log', '--limit', '1', '--output', join(folder, 'one.jsonl'));
    expect(notes).toContainEqual(expect.stringContaining('cannot be verified'));
  });

  it('does not overwrite evidence', async () => {
    const file = join(folder, 'trail.jsonl');
    await writeFile(file, 'evidence');
    await expect(audit('log', '--output', file)).rejects.toThrow(`${file} exists`);
    expect(await readFile(file, 'utf8')).toBe('evidence');
  });

  it('says what to do when the export cannot be written', async () => {
    await expect(audit('log', '--output', join(folder, 'none', 'x'))).rejects.toThrow('cannot be written');
  });

  it('goes on after an entry that is not as written, and says so', async () => {
    const original = trail.lines.bind(trail);
    trail.lines = async function* (secretId) {
      for await (const line of original(secretId)) yield line.includes('"sequence":1,') ? `${line} ` : line;
    };
    await audit('log', 'prod/a');
    expect(shown()).toEqual(['prod/a#2']);
    expect(notes).toEqual(['prod/a: entry 1 is not as it was written. Run: rekey audit verify']);
    await audit('log', 'prod/a', '--json');
    expect(lines.slice(2)).toHaveLength(2);
  });
});

describe('rekey audit verify', () => {
  const exportFile = async (change: (lines: string[]) => string[]): Promise<string> => {
    const all = [...(await linesOf('prod/a')), ...(await linesOf('prod/b'))];
    const file = join(folder, 'trail.jsonl');
    await writeFile(
      file,
      change(all)
        .map((line) => `${line}\n`)
        .join(''),
    );
    return file;
  };

  it.each(['verify', 'log'])('opens the environment that %s names', async (name) => {
    const opened: string[] = [];
    const output: Output = { line: () => undefined, note: () => undefined, interactive: false };
    const command = auditCommand(output, async (environment) => {
      opened.push(environment);
      return trail;
    });
    await command.parseAsync([name, '--environment', 'staging'], { from: 'user' });
    expect(opened).toEqual(['staging']);
  });

  it('verifies the deployed trail', async () => {
    await audit('verify');
    expect(lines).toEqual(['verified: 4 entries of 2 secrets, newest 2026-03-04T08:00:00.000Z']);
    expect(process.exitCode).toBeUndefined();
  });

  it('answers one JSON object with --json', async () => {
    await audit('verify', '--json');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { verified: true, secrets: 2, entries: 4, newest: '2026-03-04T08:00:00.000Z' },
    ]);
  });

  it('says that there is nothing in an empty trail', async () => {
    trail = new InMemoryAuditTrail();
    await audit('verify');
    expect(lines).toEqual(['verified: there are no entries']);
  });

  it('names the first broken link of an export and answers a finding to the shell', async () => {
    const file = await exportFile((all) => all.toSpliced(2, 1));
    await audit('verify', '--file', file);
    expect(lines).toEqual([`${file}: broken: entry 1 of prod/b (line 3): it is missing; 2 entries before it in order`]);
    expect(process.exitCode).toBe(EXIT_CODE.finding);
  });

  it('names the first broken link in JSON', async () => {
    const file = await exportFile((all) => all.map((line) => line.replace('reason 1', 'reason I')));
    await audit('verify', '--json', file);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      file,
      verified: false,
      secrets: 1,
      entries: 2,
      problem: { problem: 'changed', secretId: 'prod/b', sequence: 1, line: 3 },
    });
    expect(process.exitCode).toBe(EXIT_CODE.finding);
  });

  it('names a malformed line by its number', async () => {
    await audit('verify', await exportFile((all) => all.with(1, 'x')));
    expect(lines[0]).toContain('broken: line 2: it is not JSON; 1 entry before it in order');
  });

  it('names the broken link of the deployed trail by secret and entry', async () => {
    trail.lines = async function* () {
      yield 'x';
    };
    await audit('verify');
    expect(lines[0]).toMatch(/^broken: entry 1 of prod\/[ab]: it is not JSON; 0 entries before it in order$/);
    expect(process.exitCode).toBe(EXIT_CODE.finding);
  });

  it('verifies several files each by itself and never opens the deployment for them', async () => {
    const good = await exportFile((all) => all);
    const bad = join(folder, 'bad.jsonl');
    await writeFile(bad, '{}\n');
    const output: Output = {
      line: (text) => void lines.push(text),
      note: (text) => void notes.push(text),
      interactive: false,
    };
    const command = auditCommand(output, () => expect.unreachable('an export is verified offline'));
    await command.parseAsync(['verify', '--file', bad, good], { from: 'user' });
    expect(lines.map((line) => line.includes(': verified: '))).toEqual([false, true]);
    expect(process.exitCode).toBe(EXIT_CODE.finding);
  });

  it.each(['missing.jsonl', '.'])('says what to do when %s cannot be read', async (name) => {
    const failure = await audit('verify', join(folder, name)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CommandFailure);
    expect(failure).toHaveProperty('exitCode', EXIT_CODE.environment);
  });

  it('shows no control character of a hostile export', async () => {
    const line = (await linesOf('prod/a'))[1]?.replaceAll('prod/a', String.raw`a\u001b[2J`);
    const file = join(folder, 'hostile.jsonl');
    await writeFile(file, `${line}\n`);
    await audit('verify', file);
    expect(lines[0]).toContain('entry 1 of a\ufffd[2J');
  });
});

describe('the help of rekey audit', () => {
  it.each(['log', 'verify'])('has examples for %s', async (name) => {
    const command = auditCommand({ line: () => undefined, note: () => undefined, interactive: false }, () =>
      Promise.resolve(trail),
    );
    const sub = command.commands.find((candidate) => candidate.name() === name);
    let text = '';
    sub?.configureOutput({ writeOut: (part) => void (text += part) });
    sub?.outputHelp();
    expect(text).toContain(`$ rekey audit ${name}`);
  });
});
