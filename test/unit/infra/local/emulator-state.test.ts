import { spawn } from 'node:child_process';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { portArgument, readEmulatorState, writeEmulatorState } from '../../../../infra/local/emulator-state.ts';

describe('the state file of the local cloud', () => {
  let directory: string;
  const state = { port: 4_567, startedAt: '2026-01-01T00:00:00.000Z', scratch: '', logFile: 'cloud.log' };
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rekey-test-'));
    state.scratch = join(directory, 'scratch');
  });
  afterEach(async () => await rm(directory, { recursive: true, force: true }));
  const fileIsThere = async () =>
    await access(join(directory, 'cloud.json')).then(
      () => true,
      () => false,
    );

  test('is not there at first', async () => {
    expect(await readEmulatorState(directory)).toBeUndefined();
  });

  test('names the process that runs with its port', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', portArgument(state.port)], {
      stdio: 'ignore',
    });
    await new Promise((resolve) => child.once('spawn', resolve));
    const running = { ...state, pid: child.pid ?? 0 };
    await writeEmulatorState(directory, running);
    expect(await readEmulatorState(directory)).toEqual(running);
    child.kill('SIGKILL');
  });

  test('is removed when its process id belongs to another program by now', async () => {
    await writeEmulatorState(directory, { ...state, pid: process.pid });
    expect(await readEmulatorState(directory)).toBeUndefined();
    expect(await fileIsThere()).toBe(false);
  });

  test('is removed when its process is gone', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.once('exit', resolve));
    await writeEmulatorState(directory, { ...state, pid: child.pid ?? 0 });
    expect(await readEmulatorState(directory)).toBeUndefined();
    expect(await fileIsThere()).toBe(false);
  });

  test('is removed when it cannot be read', async () => {
    for (const text of ['', '{"pid":', '{"pid":"1"}']) {
      await writeFile(join(directory, 'cloud.json'), text);
      expect(await readEmulatorState(directory)).toBeUndefined();
      expect(await fileIsThere()).toBe(false);
    }
  });
});
