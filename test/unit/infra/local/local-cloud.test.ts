import { createServer as createHttpServer } from 'node:http';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { readLocalCloud, startLocalCloud } from '../../../../infra/local/local-cloud.ts';
import { poll } from '../../../../infra/local/poll.ts';
import { isRunning } from '../../../../infra/local/process-group.ts';
import { pythonEnvironment } from '../../../../infra/local/python-environment.ts';

describe('the local cloud', () => {
  let directory: string;
  const given = process.env['AWS_ENDPOINT_URL'];
  beforeEach(async () => {
    delete process.env['AWS_ENDPOINT_URL'];
    directory = await mkdtemp(join(tmpdir(), 'rekey-test-'));
    // The Python environment takes a while to make: use the one of the checkout.
    const home = resolve(await pythonEnvironment({ directory: resolve('.local') }), '../..');
    await symlink(home, join(directory, home.split('/').at(-1) ?? ''));
  });
  afterEach(async () => {
    if (given !== undefined) process.env['AWS_ENDPOINT_URL'] = given;
    else delete process.env['AWS_ENDPOINT_URL'];
    await rm(directory, { recursive: true, force: true });
  });

  test('answers on 127.0.0.1, empties itself, and is gone after stop', async () => {
    const cloud = await startLocalCloud({ directory });
    expect(cloud.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(cloud.environment).toMatchObject({
      AWS_ENDPOINT_URL: cloud.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_PROFILE: '',
    });
    await cloud.reset();
    expect(await readLocalCloud(directory), 'only a detached one is found by others').toBeUndefined();
    await cloud.stop();
    await cloud.stop();
    expect(isRunning(cloud.pid ?? 0)).toBe(false);
  });

  test('is found by others when it is detached, and left to who started it', async () => {
    const cloud = await startLocalCloud({ directory, detached: true });
    expect((await readLocalCloud(directory))?.endpoint).toBe(cloud.endpoint);
    const reused = await startLocalCloud({ directory, reuse: true });
    expect(reused.endpoint).toBe(cloud.endpoint);
    await reused.stop();
    expect(isRunning(cloud.pid ?? 0)).toBe(true);
    process.env['AWS_ENDPOINT_URL'] = cloud.endpoint;
    await (await readLocalCloud(directory))?.stop();
    expect(isRunning(cloud.pid ?? 0)).toBe(false);
    delete process.env['AWS_ENDPOINT_URL'];
    expect(await readLocalCloud(directory)).toBeUndefined();
  });

  test('ends with its parent, even when that was killed', async () => {
    const program = `
      import { startLocalCloud } from ${JSON.stringify(new URL('../../../../infra/local/local-cloud.ts', import.meta.url).href)};
      const { pid } = await startLocalCloud({ directory: ${JSON.stringify(directory)} });
      process.stdout.write(String(pid));
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [text] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(text.toString());
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    expect(await poll(() => (isRunning(pid) ? undefined : true), { withinMilliseconds: 8_000 })).toBe(true);
  });

  test('uses the endpoint that the environment names, and does nothing to it', async () => {
    const server = createHttpServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    process.env['AWS_ENDPOINT_URL'] = endpoint;
    const cloud = await startLocalCloud({ directory });
    expect(cloud).toMatchObject({ endpoint, logFile: undefined, pid: undefined });
    await cloud.stop();
    await expect(cloud.reset()).rejects.toThrow(/did not start/);
    await new Promise((resolve) => server.close(resolve));
  });

  test('says in one sentence that the endpoint of the environment does not answer', async () => {
    process.env['AWS_ENDPOINT_URL'] = 'http://127.0.0.1:1';
    await expect(startLocalCloud({ directory })).rejects.toThrow(
      /does not answer: start it, or unset AWS_ENDPOINT_URL/,
    );
  });

  test('says in one sentence that a port is taken', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await expect(startLocalCloud({ directory, port })).rejects.toThrow(
      new RegExp(`^Port ${port} of 127.0.0.1 is taken`),
    );
    await new Promise((resolve) => server.close(resolve));
  });
});
