import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

import { endProcessGroup, isRunning } from '../../../../infra/local/process-group.ts';

async function group(script: string): Promise<{ leader: number; child: number }> {
  const shell = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = (await once(shell.stdout, 'data')) as [Buffer];
  return { leader: shell.pid ?? 0, child: Number(line.toString()) };
}

test('ends the leader and what it started', async () => {
  const { leader, child } = await group('sleep 60 & echo $!; wait');
  await endProcessGroup(leader);
  expect([isRunning(leader), isRunning(child)]).toEqual([false, false]);
});

test('ends a group that does not listen', async () => {
  const { leader, child } = await group(
    `trap '' TERM; sh -c "trap '' TERM; sleep 60; sleep 60" & echo $!; wait; sleep 60`,
  );
  await endProcessGroup(leader, 300);
  expect([isRunning(leader), isRunning(child)]).toEqual([false, false]);
});

test('ends children whose leader is gone, and finds nothing to do the second time', async () => {
  const { leader, child } = await group('sleep 60 & echo $!; exit 0');
  await endProcessGroup(leader);
  await endProcessGroup(leader);
  expect(isRunning(child)).toBe(false);
});
