import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../../..');
const tsc = join(root, 'node_modules/.bin/tsc');
let application: string;

/** The package as `npm install rekey` would leave it, in an application that has the AWS SDK. */
beforeAll(async () => {
  application = await mkdtemp(join(tmpdir(), 'rekey-published-'));
  const installed = join(application, 'node_modules/rekey');
  await mkdir(installed, { recursive: true });
  await run(tsc, ['-p', join(root, 'client/tsconfig.json'), '--outDir', join(installed, 'dist')]);
  await cp(join(root, 'package.json'), join(installed, 'package.json'));
  for (const name of ['@aws-sdk', '@smithy', '@types']) {
    await symlink(join(root, 'node_modules', name), join(application, 'node_modules', name));
  }
  await writeFile(join(application, 'package.json'), JSON.stringify({ type: 'module' }));
});
afterAll(() => rm(application, { recursive: true, force: true }));

describe('rekey/client as it is published', () => {
  it('is imported by a program that knows no TypeScript', async () => {
    await writeFile(
      join(application, 'main.js'),
      "import { openSecrets, pgPool, spawn } from 'rekey/client'; console.log(typeof openSecrets, typeof pgPool, typeof spawn);",
    );
    const { stdout } = await run(process.execPath, [join(application, 'main.js')]);
    expect(stdout.trim()).toBe('function function function');
  });

  it('brings its types', async () => {
    await writeFile(
      join(application, 'main.ts'),
      [
        "import { openSecrets } from 'rekey/client';",
        "const secrets = await openSecrets(['a']);",
        "const text: string = secrets.current('a').reveal();",
        '// @ts-expect-error -- not opened',
        "secrets.current('b');",
        'export { text };',
      ].join('\n'),
    );
    const settings = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022'];
    await run(tsc, [...settings, join(application, 'main.ts')], { cwd: application });
  });

  it('needs nothing at run time but two AWS clients', async () => {
    const built = join(application, 'node_modules/rekey/dist');
    const found = new Set<string>();
    const pending = [join(built, 'client/index.js')];
    for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
      const source = await readFile(file, 'utf8');
      for (const [, from = ''] of source.matchAll(/from '([^']+)'/g)) {
        if (!from.startsWith('.')) found.add(from);
        else pending.push(resolve(file, '..', from));
      }
    }
    const packages = [...found].filter((name) => !name.startsWith('node:'));
    expect(packages.sort()).toEqual(['@aws-sdk/client-dynamodb', '@aws-sdk/client-secrets-manager']);
  });
});
