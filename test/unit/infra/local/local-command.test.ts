import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { localCommand } from '../../../../cli/commands/local.ts';

describe('rekey local', () => {
  const lines: string[] = [];
  const before = { endpoint: process.env['AWS_ENDPOINT_URL'], directory: process.cwd(), exitCode: process.exitCode };
  let directory: string;
  beforeEach(async () => {
    lines.length = 0;
    directory = await mkdtemp(join(tmpdir(), 'rekey-test-'));
    process.chdir(directory);
    delete process.env['AWS_ENDPOINT_URL'];
  });
  afterEach(async () => {
    process.chdir(before.directory);
    process.exitCode = before.exitCode;
    if (before.endpoint !== undefined) process.env['AWS_ENDPOINT_URL'] = before.endpoint;
    else delete process.env['AWS_ENDPOINT_URL'];
    await rm(directory, { recursive: true, force: true });
  });

  async function run(...words: string[]): Promise<string> {
    const output = { line: (text: string) => void lines.push(text), note: () => undefined, interactive: false };
    await localCommand(output).parseAsync(words, { from: 'user' });
    return lines.join('\n');
  }

  test('status says that none is running, by its exit code too', async () => {
    expect(await run('status', '--json')).toBe('{\n  "running": false\n}');
    expect(process.exitCode).toBe(1);
  });

  test('env and reset say how to start one', async () => {
    for (const word of ['env', 'reset']) {
      await expect(run(word)).rejects.toMatchObject({
        name: 'CommandFailure',
        exitCode: 3,
        message: expect.stringContaining('rekey local up'),
      });
    }
  });

  test('down with none running is fine', async () => {
    expect(await run('down')).toBe('No local cloud is running.');
  });

  test('env prints lines that a shell can evaluate', async () => {
    process.env['AWS_ENDPOINT_URL'] = "http://127.0.0.1:1/it's";
    expect(await run('env')).toContain(String.raw`export AWS_ENDPOINT_URL='http://127.0.0.1:1/it'\''s'`);
  });
});
