import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openclawCommand } from '../../../../cli/commands/openclaw.ts';

describe('rekey openclaw', () => {
  let directory: string;
  let lines: string[];
  let notes: string[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'rekey-test-'));
    lines = [];
    notes = [];
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('installs a real file of its own with absolute paths, whatever was in its place', async () => {
    const place = join(directory, 'new');
    await run('install-provider', '-d', place, '--json');
    const { command } = JSON.parse(lines[0] ?? '') as { command: string };
    expect(command).toBe(join(place, 'rekey-resolve'));
    expect(statSync(place).mode & 0o777).toBe(0o700);

    const other = join(directory, 'other');
    writeFileSync(other, 'theirs');
    rmSync(command);
    symlinkSync(other, command);
    await run('install-provider', '-d', place);
    expect(lstatSync(command).isFile()).toBe(true);
    expect(lstatSync(command).mode & 0o777).toBe(0o700);
    expect(lstatSync(command).nlink).toBe(1);
    expect(readFileSync(other, 'utf8')).toBe('theirs');
    const script = readFileSync(command, 'utf8');
    expect(script).toMatch(/^#!\/bin\/sh\n/);
    expect(script).toContain(`exec '${process.execPath}'`);
    expect(script).toMatch(/'\/[^']*\/cli\/resolve-provider\.ts'/);
  });

  it('writes the real path of a directory that is a link: OpenClaw follows none', async () => {
    const real = join(directory, 'real');
    mkdirSync(real, { mode: 0o700 });
    symlinkSync(real, join(directory, 'link'));
    await run('install-provider', '-d', join(directory, 'link'), '--json');
    expect(readlinkSync(join(directory, 'link'))).toBe(real);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ command: join(real, 'rekey-resolve') });
  });

  it('refuses a directory that others may write in', async () => {
    chmodSync(directory, 0o777);
    await expect(run('install-provider', '-d', directory)).rejects.toMatchObject({ exitCode: 2 });
  });

  it('prints a plan from the command line and from a file', async () => {
    const file = join(directory, 'mapping.json');
    writeFileSync(file, '{"prod/slack":["channels.slack.botToken","channels.slack.accounts.a.botToken"]}');
    await run('plan', '-d', directory, '--mapping', file, '-s', 'prod/openai#k=models.providers.o.apiKey', '--json');
    const plan = JSON.parse(lines[0] ?? '');
    expect(plan.targets.map(({ path, ref }: { path: string; ref: { id: string } }) => [path, ref.id])).toEqual([
      ['channels.slack.botToken', 'prod/slack'],
      ['channels.slack.accounts.a.botToken', 'prod/slack'],
      ['models.providers.o.apiKey', 'prod/openai#k'],
    ]);
    expect(plan.providerUpserts.rekey.command).toBe(join(directory, 'rekey-resolve'));
    expect(notes).toEqual([]);
  });

  it.each([
    [['plan', '-s', 'nope'], /is not NAME=config.path/],
    [['plan', '-s', 'a@b=gateway.auth.token'], /give it an alias/],
    [['plan'], /at least one/],
    [['plan', '--mapping', '/nowhere/mapping.json'], /cannot be read/],
    [['follow', '--id', 'a'], /OPENCLAW_GATEWAY_TOKEN is not set/],
  ])('says what is wrong with %j', async (words, sentence) => {
    delete process.env['OPENCLAW_GATEWAY_TOKEN'];
    const failure = run(...words, '-d', directory);
    await expect(failure).rejects.toThrow(sentence);
    await expect(failure).rejects.toMatchObject({ name: 'CommandFailure', exitCode: 2 });
  });

  it('refuses a mapping file of another shape', async () => {
    const file = join(directory, 'mapping.json');
    for (const text of ['[]', '{"a":5}', '{"a":[]}', 'x']) {
      writeFileSync(file, text);
      await expect(run('plan', '-d', directory, '--mapping', file)).rejects.toMatchObject({ exitCode: 2 });
    }
  });

  async function run(...words: readonly string[]): Promise<void> {
    const output = {
      line: (text: string) => void lines.push(text),
      note: (text: string) => void notes.push(text),
      interactive: false,
    };
    await openclawCommand(output).parseAsync([...words], { from: 'user' });
  }
});
