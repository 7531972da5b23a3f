import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { CANARY, killAll, RunProcess, value } from './run-process.ts';

/** Prints the end of TOKEN and its process id, then every signal that it is sent; ends with SIGTERM. */
const SERVER = `
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH']) process.on(signal, () => console.log(signal));
  process.on('SIGTERM', () => { console.log('stopping'); process.exit(0); });
  console.log('up ' + (process.env.TOKEN ?? 'none').slice(-2));
  console.log('pid ' + process.pid);
  setInterval(() => {}, 1000);
`;
const server = [process.execPath, '-e', SERVER];

const FILE_SERVER = `
  const { readFileSync } = require('node:fs');
  const show = (word) => console.log(word + ' ' + readFileSync(process.env.REKEY_FILES + '/token', 'utf8').slice(-2));
  process.on('SIGHUP', () => show('again'));
  console.log('files ' + process.env.REKEY_FILES);
  show('up');
  setInterval(() => {}, 1000);
`;
const fileServer = [process.execPath, '-e', FILE_SERVER];

const runs: RunProcess[] = [];
function start(options: Parameters<typeof RunProcess.start>[0]): RunProcess {
  const run = RunProcess.start(options);
  runs.push(run);
  return run;
}

const folders: string[] = [];
function folder(): string {
  folders.push(mkdtempSync(join(tmpdir(), 'rekey-run-test-')));
  return folders.at(-1) ?? '';
}

afterEach(() => {
  killAll();
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
  for (const run of runs.splice(0)) {
    expect(run.stdout).not.toContain(CANARY);
    expect(run.stderr).not.toContain(CANARY);
    expect(JSON.stringify(run.messages)).not.toContain(CANARY);
  }
});

describe('rekey run: environment', () => {
  it('gives values under the name of the secret, and members of JSON under the name asked for', async () => {
    const print = `console.log([process.env.APP_DB_MAIN.slice(-2), process.env.PGPASSWORD.slice(-2), process.env.PORT].join(' '))`;
    const run = start({
      options: ['--secret', 'app/db-main', '--secret', 'pg#password=PGPASSWORD', '--secret', 'pg#port=PORT'],
      values: {
        'app/db-main': value('v1'),
        pg: ['v7', JSON.stringify({ password: `${CANARY}-p1`, port: 5432 })],
      },
      command: [process.execPath, '-e', print],
    });
    expect(await run.exit).toEqual({ code: 0, signal: null });
    expect(run.lines).toEqual(['v1 p1 5432']);
    expect(run.events[0]).toMatchObject({ event: 'started', secrets: { 'app/db-main': 'v1', pg: 'v7' } });
  });

  it.each([
    ['process.exit(7)', 7],
    [`process.kill(process.pid, 'SIGKILL')`, 137],
    [`process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`, 143],
  ])('ends with what the command ended with, and has signed off: %s', async (script, code) => {
    const run = start({ command: [process.execPath, '-e', script] });
    expect(await run.exit).toEqual({ code, signal: null });
    expect(run.messages).toContainEqual({ closed: true });
  });

  it.each([
    ['rekey-no-such-command', 127, 'command not found'],
    [import.meta.dirname, 126, 'cannot be started (EACCES)'],
  ])('answers as a shell does when the command cannot be started: %s', async (command, code, words) => {
    const run = start({ options: ['--files'], command: [command] });
    expect(await run.exit).toEqual({ code, signal: null });
    expect(run.events.find(({ event }) => event === 'failed')?.message).toContain(words);
    expect(run.messages).toContainEqual({ closed: true });
  });

  it('hands signals on', async () => {
    const run = start({ command: server });
    await run.told('started');
    await run.printed('up v1');
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const) {
      run.kill(signal);
      await run.printed(signal);
    }
    run.kill('SIGTERM');
    expect(await run.exit).toEqual({ code: 0, signal: null });
    expect(run.lines.filter((line) => line === 'stopping')).toHaveLength(1);
  });

  it('leaves to the terminal what a terminal sends to the command itself', async () => {
    const run = start({ command: server, isTerminal: true });
    await run.printed('up v1');
    run.kill('SIGINT');
    run.kill('SIGUSR1');
    await run.printed('SIGUSR1');
    run.kill('SIGTERM');
    expect(await run.exit).toEqual({ code: 0, signal: null });
    expect(run.lines).not.toContain('SIGINT');
  });

  it('shows no value on any command line, nor in the environment of its own processes', async () => {
    const run = start({ options: ['--files', '--on-reload', 'SIGHUP'], command: fileServer });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toBe('acknowledged');
    const seen = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`])
      .filter((path) => contentOf(path).includes(CANARY));
    expect(seen).toEqual([]);
    run.kill('SIGTERM');
    await run.exit;
  });
});

describe('rekey run: files', () => {
  it('writes each secret into a file that only its user may read, in memory, and leaves nothing', async () => {
    const print = `
      const { readdirSync, readFileSync, statSync } = require('node:fs');
      const at = process.env.REKEY_FILES;
      const mode = (path) => (statSync(path).mode & 0o777).toString(8);
      console.log(at, mode(at));
      for (const name of readdirSync(at).sort()) console.log(name, mode(at + '/' + name), readFileSync(at + '/' + name, 'utf8').slice(-2));
      console.log('environment ' + Object.values(process.env).some((text) => text.includes('c4n4ry')));
    `;
    const run = start({
      options: ['--files', '--secret', 'app/tls.key', '--secret', 'pg#password=pw', '--secret', 'pg#password'],
      values: { 'app/tls.key': value('v1'), pg: ['v2', JSON.stringify({ password: `${CANARY}-p2` })] },
      command: [process.execPath, '-e', print],
    });
    expect((await run.exit).code).toBe(0);
    const [directory = '', ...rest] = run.lines;
    expect(directory).toMatch(/^\/dev\/shm\/rekey-\w+ 700$/);
    expect(rest).toEqual(['app__tls.key 600 v1', 'pg.password 600 p2', 'pw 600 p2', 'environment false']);
    expect(exists(directory.split(' ')[0] ?? '')).toBe(false);
    expect(run.stderr).not.toContain('warning');
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('leaves nothing when it is ended by %s', async (signal) => {
    const run = start({ options: ['--files'], command: fileServer });
    await run.printed('up v1');
    run.kill(signal);
    expect((await run.exit).code).toBe(signal === 'SIGTERM' ? 143 : 130);
    expect(exists(directoryOf(run))).toBe(false);
  });

  it('makes the directory that is asked for, says when it is on a disk, and takes it away', async () => {
    const path = join(folder(), 'secrets');
    const run = start({ options: ['--files', path], command: fileServer });
    await run.printed(`files ${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect((await run.told('warning')).message).toContain('is not known to be in memory');
    run.kill('SIGTERM');
    await run.exit;
    expect(exists(path)).toBe(false);
  });

  it('takes over what a killed run has left in a directory, and refuses one with anything else in it', async () => {
    const path = folder();
    writeFileSync(join(path, '.rekey-run'), '999999999 1\n');
    writeFileSync(join(path, 'old'), 'left behind');
    const run = start({ options: ['--files', path], command: fileServer });
    await run.printed('up v1');
    expect(readdirSync(path).sort()).toEqual(['.rekey-run', 'token']);
    const second = start({ options: ['--files', path], command: fileServer });
    expect((await second.exit).code).toBe(3);
    expect(second.events.at(-1)?.message).toContain(`"rekey run" with process id ${run.pid} uses this directory`);
    run.kill('SIGTERM');
    await run.exit;
    expect(readdirSync(path)).toEqual([]);
    mkdirSync(join(path, 'photos'));
    const third = start({ options: ['--files', path], command: fileServer });
    expect((await third.exit).code).toBe(3);
    expect(readdirSync(path)).toEqual(['photos']);
  });

  it('ends the command and removes the files also when it is killed itself', async () => {
    const run = start({
      options: ['--files'],
      command: ['/bin/sh', '-c', `"$0" -e "$1"; true`, ...fileServer.toSpliced(1, 1)],
    });
    await run.printed('up v1');
    run.kill('SIGKILL');
    // Its output closes when the last of the command's processes has ended.
    expect(await run.exit).toEqual({ code: null, signal: 'SIGKILL' });
    await expect.poll(() => exists(directoryOf(run))).toBe(false);
  });
});

describe('rekey run: new values', () => {
  it('restarts the command with them and acknowledges', async () => {
    const run = start({ command: server });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toBe('acknowledged');
    await run.printed('up v2');
    expect(run.lines.filter((line) => !line.startsWith('pid'))).toEqual(['up v1', 'stopping', 'up v2']);
    expect(run.events.map(({ event }) => event)).toEqual(['started', 'reloading', 'reloaded']);
    run.kill('SIGTERM');
    expect((await run.exit).code).toBe(0);
  });

  it('does not restart for values that the command has', async () => {
    const run = start({ command: server });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v1') })).toBe('acknowledged');
    expect((await run.told('reloaded')).pid).toBe((await run.told('started')).pid);
    run.kill('SIGTERM');
    await run.exit;
    expect(run.lines.filter((line) => line.startsWith('up'))).toEqual(['up v1']);
  });

  it('leaves nothing running that the command had started, before it starts it anew', async () => {
    const run = start({ command: ['/bin/sh', '-c', `"$0" -e "$1" & wait`, ...server.toSpliced(1, 1)] });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toBe('acknowledged');
    await run.printed('up v2');
    expect(run.lines.filter((line) => !line.startsWith('pid'))).toEqual(['up v1', 'stopping', 'up v2']);
    run.kill('SIGTERM');
    await run.exit;
  });

  it('kills what does not stop in time', async () => {
    const stubborn = `process.on('SIGTERM', () => console.log('no')); console.log('up ' + process.env.TOKEN.slice(-2)); setInterval(() => {}, 1000);`;
    const run = start({ options: ['--stop-timeout', '0.2'], command: [process.execPath, '-e', stubborn] });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toBe('acknowledged');
    await run.printed('up v2');
    run.kill('SIGKILL');
  });

  it('waits for the health check, which runs with the new values', async () => {
    const run = start({
      options: ['--health', 'case "$TOKEN" in *v2) exit 0;; *) exit 1;; esac'],
      command: server,
    });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toBe('acknowledged');
    run.kill('SIGTERM');
    await run.exit;
  });

  it('goes back to the old values, and refuses, when the health check does not pass', async () => {
    const run = start({
      options: ['--health', 'echo "$TOKEN"; case "$TOKEN" in *v2) exit 9;; *) exit 0;; esac', '--health-timeout', '1'],
      command: server,
    });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toEqual({
      refused: 'The health check did not pass within 1 seconds: the check ended with exit code 9.',
    });
    await run.printed('up v1', 2);
    expect(run.events.map(({ event }) => event)).toEqual(['started', 'reloading', 'refused', 'restored']);
    expect(await run.offer({ token: value('v3') })).toBe('acknowledged');
    await run.printed('up v3');
    run.kill('SIGTERM');
    expect((await run.exit).code).toBe(0);
  });

  it('goes back when the command ends with the new values', async () => {
    const picky = `if (process.env.TOKEN.endsWith('v2')) process.exit(4); ${SERVER}`;
    const run = start({ command: [process.execPath, '-e', picky], settleSeconds: 2 });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toEqual({ refused: 'The command ended with exit code 4.' });
    await run.printed('up v1', 2);
    run.kill('SIGTERM');
    expect((await run.exit).code).toBe(0);
  });

  it('ends with the command when it does not even run with the old values again', async () => {
    const mark = join(folder(), 'mark');
    const once = `const fs = require('node:fs'); if (fs.existsSync(process.argv[1])) process.exit(5); fs.writeFileSync(process.argv[1], ''); ${SERVER}`;
    const run = start({ command: [process.execPath, '-e', once, mark], settleSeconds: 30 });
    await run.printed('up v1');
    run.send({ offer: { token: value('v2') } });
    expect((await run.exit).code).toBe(5);
    expect(run.messages).toContainEqual({ closed: true });
  });

  it('refuses what cannot be delivered, and leaves the command alone', async () => {
    const run = start({
      options: ['--secret', 'pg#password=TOKEN'],
      values: { pg: ['v1', JSON.stringify({ password: `${CANARY}-v1` })] },
      command: server,
    });
    await run.printed('up v1');
    expect(await run.offer({ pg: ['v2', JSON.stringify({ passwd: CANARY })] })).toEqual({
      refused: 'The value of "pg" has no member "password".',
    });
    expect(await run.offer({ pg: ['v3', CANARY] })).toEqual({ refused: 'The value of "pg" is not JSON.' });
    run.kill('SIGTERM');
    await run.exit;
    expect(run.lines.filter((line) => line.startsWith('up'))).toEqual(['up v1']);
  });

  it('writes the files and sends the signal', async () => {
    const run = start({ options: ['--files', '--on-reload', 'SIGHUP'], command: fileServer });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toBe('acknowledged');
    await run.printed('again v2');
    run.kill('SIGTERM');
    await run.exit;
    expect(run.lines.filter((line) => line.startsWith('up'))).toEqual(['up v1']);
  });

  it('puts the old files back and sends the signal again when the check does not pass', async () => {
    const run = start({
      options: [
        '--files',
        '--on-reload',
        'SIGHUP',
        '--health',
        'grep -q v1 "$REKEY_FILES/token"',
        '--health-timeout',
        '1',
      ],
      command: fileServer,
    });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toMatchObject({ refused: expect.stringContaining('exit code 1') });
    await run.printed('again v1');
    expect(readFileSync(join(directoryOf(run), 'token'), 'utf8')).toBe(`${CANARY}-v1`);
    run.kill('SIGTERM');
    await run.exit;
  });

  it('starts the command anew with the old files when the signal has ended it', async () => {
    const fragile = FILE_SERVER.replace(`show('again')`, 'process.exit(1)');
    const run = start({
      options: ['--files', '--on-reload', 'SIGHUP'],
      command: [process.execPath, '-e', fragile],
      settleSeconds: 2,
    });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toEqual({ refused: 'The command ended with exit code 1.' });
    await run.printed('up v1', 2);
    run.kill('SIGTERM');
    await run.exit;
  });

  it('runs a line with the new values and the process id', async () => {
    const path = join(folder(), 'log');
    const run = start({
      options: [
        '--on-reload',
        `exec:echo "$REKEY_PID \${TOKEN##*-}" >> '${path}'; case "$TOKEN" in *v3) exit 3;; esac`,
      ],
      command: server,
    });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toBe('acknowledged');
    expect(await run.offer({ token: value('v3') })).toEqual({
      refused: 'The line of --on-reload ended with exit code 3.',
    });
    const pid = String((await run.told('started')).pid);
    expect(readFileSync(path, 'utf8').trim().split('\n')).toEqual([`${pid} v2`, `${pid} v3`, `${pid} v2`]);
    run.kill('SIGTERM');
    await run.exit;
    expect(run.lines.filter((line) => line.startsWith('up'))).toEqual(['up v1']);
  });

  it('only writes the files where the command watches them itself', async () => {
    const run = start({ options: ['--files', '--on-reload', 'none'], command: fileServer });
    await run.printed('up v1');
    expect(await run.offer({ token: value('v2') })).toBe('acknowledged');
    expect(readFileSync(join(directoryOf(run), 'token'), 'utf8')).toBe(`${CANARY}-v2`);
    run.kill('SIGTERM');
    await run.exit;
    expect(run.lines.filter((line) => !line.startsWith('files'))).toEqual(['up v1']);
  });

  it('starts nothing and answers nothing once it is to end', async () => {
    const slow = `process.on('SIGTERM', () => console.log('stopping')); process.on('SIGUSR2', () => process.exit(6)); console.log('up'); setInterval(() => {}, 1000);`;
    const run = start({ command: [process.execPath, '-e', slow] });
    await run.printed('up');
    run.send({ offer: { token: value('v2') } });
    await run.printed('stopping');
    run.kill('SIGTERM');
    run.kill('SIGUSR2');
    expect((await run.exit).code).toBe(6);
    expect(run.lines).toEqual(['up', 'stopping']);
    expect(run.messages.filter((message) => 'answer' in message)).toEqual([]);
  });
});

describe('rekey run: beginning and end', () => {
  it('ends with exit code 3 and names every secret that cannot be read', async () => {
    const run = start({ options: ['--secret', 'token', '--secret', 'one', '--secret', 'two'], command: server });
    expect((await run.exit).code).toBe(3);
    expect(run.events.at(-1)?.message).toBe(
      'The secret "one" does not exist here. The secret "two" does not exist here.',
    );
    expect(run.lines).toEqual([]);
  });

  it('starts without them when it may', async () => {
    const run = start({ options: ['--no-require-all', '--secret', 'token', '--secret', 'one'], command: server });
    await run.printed('up v1');
    expect(await run.told('warning')).toMatchObject({
      message: 'The secret "one" does not exist here. The command starts without it.',
    });
    run.kill('SIGTERM');
    expect((await run.exit).code).toBe(0);
  });

  it('can be interrupted while AWS does not answer', async () => {
    const run = start({ opens: 'never', command: server });
    await run.heard('opening');
    run.kill('SIGINT');
    expect((await run.exit).code).toBe(130);
  });

  it('ends the command in time, with exit code 75, when Rekey cannot be reached any more', async () => {
    const run = start({ options: ['--files'], command: fileServer });
    await run.printed('up v1');
    run.send({ secondsLeft: 9 });
    expect((await run.exit).code).toBe(75);
    expect(run.events.at(-2)).toMatchObject({ event: 'stale', on_stale: 'exit' });
    expect(exists(directoryOf(run))).toBe(false);
    expect(run.messages).toContainEqual({ closed: true });
  });

  it('goes on where it is told to, and says so', async () => {
    const run = start({ options: ['--on-stale', 'keep'], command: server });
    await run.printed('up v1');
    run.send({ secondsLeft: 0 });
    expect(await run.told('stale')).toMatchObject({ on_stale: 'keep' });
    run.kill('SIGTERM');
    expect((await run.exit).code).toBe(0);
  });
});

function directoryOf(run: RunProcess): string {
  return run.lines.find((line) => line.startsWith('files '))?.slice('files '.length) ?? 'unknown';
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
