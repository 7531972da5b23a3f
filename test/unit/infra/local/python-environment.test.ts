import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { findPython, pythonEnvironment } from '../../../../infra/local/python-environment.ts';

describe('the Python of the local cloud', () => {
  let directory: string;
  const path = process.env['PATH'];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rekey-test-'));
    await mkdir(join(directory, 'bin'));
    process.env['PATH'] = `${join(directory, 'bin')}:/usr/bin:/bin`;
  });
  afterEach(async () => {
    process.env['PATH'] = path;
    await rm(directory, { recursive: true, force: true });
  });

  /** A program of this name that answers what it is asked for first, and fails at `-m venv` and `-m pip` as told. */
  async function fakePython(name: string, version: string, failures: { venv?: string; pip?: string } = {}) {
    const file = join(directory, 'bin', name);
    const fail = (text: string) => `echo ${JSON.stringify(text)} >&2; exit 1`;
    const script = `#!/bin/sh
case "$1 $2" in
  "-m venv") ${failures.venv === undefined ? `mkdir -p "$3/bin" && cp "$0" "$3/bin/python"` : fail(failures.venv)};;
  "-m pip") ${failures.pip === undefined ? ':' : fail(failures.pip)};;
  *) echo "$0"; echo ${version};;
esac
`;
    await writeFile(file, script);
    await chmod(file, 0o755);
  }

  test('is the first that runs and is new enough', async () => {
    await writeFile(join(directory, 'bin', 'python-a'), '#!/bin/sh\nexit 127\n');
    await chmod(join(directory, 'bin', 'python-a'), 0o755);
    await fakePython('python-b', '3.9.2');
    await fakePython('python-c', '3.12.1');
    expect(await findPython(['python-none', 'python-a', 'python-b', 'python-c'])).toMatchObject({ version: '3.12.1' });
  });

  test('is asked for in one sentence when it is missing or too old', async () => {
    await expect(findPython(['python-none'])).rejects.toThrow(
      /needs Python 3\.10 or newer on the PATH \(none was found\): install it/,
    );
    await fakePython('python-b', '3.9.2');
    await expect(findPython(['python-b'])).rejects.toThrow(/python-b is 3\.9\.2/);
  });

  test.each([
    [
      'its venv module is missing',
      { venv: 'The virtual environment was not created because ensurepip is not available.' },
      /apt-get install python3-venv/,
    ],
    [
      'the network is missing',
      { pip: 'ERROR: Could not find a version that satisfies the requirement' },
      /check the network/,
    ],
    [
      'the packages are not the pinned ones',
      { pip: 'THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE' },
      /hashes differ/,
    ],
    ['the disk is full', { pip: 'OSError: [Errno 28] No space left on device' }, /is full: make room/],
  ])('says what to do when %s, and leaves nothing half made', async (_, failures, sentence) => {
    await fakePython('python3.13', '3.13.0', failures);
    await expect(pythonEnvironment({ directory })).rejects.toThrow(sentence);
    expect((await readdir(directory)).filter((name) => name.startsWith('python-'))).toEqual([]);
  });

  test('is made once, whatever an interrupted attempt left behind', async () => {
    await fakePython('python3.13', '3.13.0');
    const abandoned = join(directory, 'python-0123456789ab.draft-999999999');
    await mkdir(abandoned);
    const lines: string[] = [];
    const python = await pythonEnvironment({ directory, onProgress: (line) => lines.push(line) });
    expect(await pythonEnvironment({ directory, onProgress: (line) => lines.push(line) })).toBe(python);
    expect(lines).toHaveLength(1);
    expect((await readdir(directory)).filter((name) => name.includes('draft'))).toEqual([]);
  });
});
