import { describe, expect, it } from 'vitest';
import { runCommand } from '../../../../cli/commands/run.ts';
import { CommandFailure } from '../../../../cli/exit-code.ts';
import type { RunOptions, RunPorts } from '../../../../cli/run/run-options.ts';

async function run(words: readonly string[], outcome: number | Error = 0) {
  const notes: string[] = [];
  const exits: number[] = [];
  let seen: RunOptions | undefined;
  let ports: RunPorts | undefined;
  const output = { line: () => undefined, note: (text: string) => void notes.push(text), interactive: false };
  const command = runCommand(output, {
    isTerminal: false,
    exit: (code) => void exits.push(code),
    clock: { now: () => new Date('2026-03-01T12:00:00.000Z'), sleep: async () => undefined },
    run: async (options, given) => {
      seen = options;
      ports = given;
      given.tell({ event: 'started', pid: 7, secrets: { a: 'v1' } });
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
  });
  await command
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .parseAsync([...words], { from: 'user' });
  return { notes, exits, options: seen, ports };
}

describe('rekey run', () => {
  it('takes everything after -- as the command', async () => {
    const { options, exits } = await run(['--secret', 'a', '--', 'node', '-e', 'x', '--files', '--', '--json'], 5);
    expect(options).toMatchObject({
      command: ['node', '-e', 'x', '--files', '--', '--json'],
      medium: 'environment',
      action: { kind: 'restart' },
      stopSeconds: 10,
      healthSeconds: 30,
      boundSeconds: 3600,
      onStale: 'exit',
      requireAll: true,
    });
    expect(exits).toEqual([5]);
  });

  it('makes files in memory, or in a directory', async () => {
    expect((await run(['--secret', 'a', '--files', '--', 'x'])).options).toMatchObject({
      medium: 'files',
      directory: undefined,
    });
    expect((await run(['--secret', 'a', '--files', 'here', '--', 'x'])).options).toMatchObject({ directory: 'here' });
  });

  it.each([
    [['--', 'x'], /Name at least one secret/],
    [['--secret', 'a', '--'], /missing required argument/],
    [['--secret', 'a', '--bound', '60', '--', 'x'], /from 120 to 86400/],
    [['--secret', 'a', '--stop-timeout', '', '--', 'x'], /from 0 to 140/],
    [['--secret', 'a', '--stop-timeout', '100', '--health-timeout', '50', '--', 'x'], /are too long/],
    [['--secret', 'a', '--on-stale', 'panic', '--', 'x'], /Allowed choices are exit, keep/],
    [['--secret', 'a', '--on-reload', 'SIGHUP', '--', 'x'], /needs --files/],
  ])('refuses %j', async (words, sentence) => {
    await expect(run(words)).rejects.toThrow(sentence);
  });

  it('tells in lines that begin with its name, in JSON, or only what went wrong', async () => {
    const failure = new CommandFailure('No.');
    const words = ['--secret', 'a', '--', 'x'];
    expect(await run(words, failure)).toMatchObject({
      notes: ['rekey: started process 7 with a (version v1)', 'rekey: No.'],
      exits: [3],
    });
    expect((await run(['--quiet', ...words], failure)).notes).toEqual(['rekey: No.']);
    expect((await run(['--json', ...words])).notes.map((line) => JSON.parse(line))).toEqual([
      { time: '2026-03-01T12:00:00.000Z', event: 'started', pid: 7, secrets: { a: 'v1' } },
      { time: '2026-03-01T12:00:00.000Z', event: 'ended', exit_code: 0 },
    ]);
  });

  it('shows examples in its help', async () => {
    let help = '';
    const output = { line: () => undefined, note: () => undefined, interactive: false };
    const command = runCommand(output)
      .exitOverride()
      .configureOutput({ writeOut: (text) => (help += text) });
    await expect(command.parseAsync(['--help'], { from: 'user' })).rejects.toThrow();
    expect(help).toContain('$ rekey run --secret pg_prod_main -- ./server');
    expect(help).toContain('Exit codes');
  });
});
