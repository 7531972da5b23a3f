import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { removeOldLogs } from '../../../../infra/local/old-logs.ts';

test('leaves the newest eight logs, and everything that is not one of these logs', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'rekey-test-'));
  for (let n = 0; n < 11; n++) {
    const file = join(directory, `cloud-${n}.log`);
    await writeFile(file, '');
    await utimes(file, n, n);
  }
  for (const other of ['cloud.json', 'cloud-0.txt', 'postgres-0.log']) await writeFile(join(directory, other), '');
  await removeOldLogs(directory, 'cloud-');
  const left = await readdir(directory);
  expect(left).toHaveLength(11);
  expect(left).not.toContain('cloud-2.log');
  expect(left).toEqual(
    expect.arrayContaining(['cloud-3.log', 'cloud-10.log', 'cloud.json', 'cloud-0.txt', 'postgres-0.log']),
  );
  await rm(directory, { recursive: true });
});
