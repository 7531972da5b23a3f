import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRunning } from '../../../../infra/local/process-group.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');
const START = join(ROOT, 'infra/main-job/start.ts');

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rekey-start-test-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('npm start', () => {
  it('says in one sentence that Python is missing, and leaves nothing running', async () => {
    const bin = join(directory, 'bin');
    await symlink(process.execPath, join(directory, 'node'));
    const run = start([], { cwd: directory, path: bin });
    expect(await run.exit).toBe(3);
    expect(run.text().trim().split('\n').at(-1)).toMatch(/^The local cloud needs Python 3\.10 or newer/);
    expect(run.children().filter(isRunning)).toEqual([]);
  });

  it('refuses an option that it does not have', async () => {
    const run = start(['--nope']);
    expect(await run.exit).toBe(2);
    expect(run.text()).toContain("unknown option '--nope'");
  });

  it.each([/PostgreSQL: creating/, /Local cloud: ready/, /cdk bootstrap/])(
    'ends on Ctrl-C after %s with exit code 130 and nothing left running',
    async (moment) => {
      const run = start([]);
      await run.until(moment);
      await run.sawChildren();
      run.interrupt();
      expect(await run.exit).toBe(130);
      expect(run.text()).toContain('Stopped.');
      await expect.poll(() => run.children().filter(isRunning), { timeout: 20_000 }).toEqual([]);
    },
    90_000,
  );
});

/** The command, with the processes that were seen below it. */
function start(words: readonly string[], { cwd = ROOT, path = process.env.PATH } = {}) {
  const { AWS_ENDPOINT_URL: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [START, ...words], { cwd, env: { ...inherited, PATH: path } });
  const seen = new Set<number>();
  const watchers = new Set<() => void>();
  let written = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      written += chunk.toString();
      for (const watcher of watchers) watcher();
    });
  }
  const exit = new Promise<number | null>((done) => child.once('close', done));
  return {
    exit,
    text: () => written,
    children: () => [...seen],
    interrupt: () => child.kill('SIGINT'),
    until: (pattern: RegExp) =>
      new Promise<void>((done, fail) => {
        const look = () => {
          if (pattern.test(written)) done();
        };
        watchers.add(look);
        void exit.then(() => fail(new Error(`it ended before: ${written}`)));
        look();
      }),
    sawChildren: async () => {
      for (const pid of await descendants(child.pid ?? 0)) seen.add(pid);
    },
  };
}

async function descendants(root: number): Promise<readonly number[]> {
  const parents = new Map<number, number>();
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    if (parent > 0) parents.set(pid, parent);
  }
  const below = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === root || below(parent));
  };
  return [...parents.keys()].filter(below);
}
