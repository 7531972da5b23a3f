import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { assertRoom } from './disk-space.ts';
import { poll } from './poll.ts';
import { isRunning } from './process-group.ts';

const run = promisify(execFile);

/** How to run one MySQL: `command` and its first arguments, then the server's own options. */
export interface MysqlBinaries {
  readonly version: string;
  readonly command: readonly string[];
  /** Where its files are, for one that does not lie where it was built for. */
  readonly options: readonly string[];
}

/** For people whose machine has no MySQL and cannot get one by itself. */
export const HOW_TO_GET_MYSQL =
  'No MySQL 8.0.21 or newer: put its mysqld on the PATH (MariaDB does not do), or run on Debian, whose archive has mysql-server-core.';

/** `ALTER USER … ATTRIBUTE`. */
const OLDEST = [8, 0, 21] as const;
const NEEDED_MEGABYTES = 700;
const INSTALL_MILLISECONDS = 180_000;
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * A MySQL to start: the `mysqld` on the PATH, or, on Debian, one from its archive, unpacked below `directory` without
 * touching the system. Made once, however many ask at the same time. `undefined` where neither is to be had.
 */
export async function findMysqlBinaries(directory = '.local/mysql'): Promise<MysqlBinaries | undefined> {
  const home = resolve(directory);
  const installed = (await ask({ command: ['mysqld'], options: [] })) ?? (await unpackedIn(join(home, 'root')));
  if (installed !== undefined) return installed;
  const mirror = await debianMirror();
  if (mirror === undefined) return undefined;
  try {
    await mkdir(home, { recursive: true });
    await assertRoom(home, NEEDED_MEGABYTES);
    await makeOnce(join(home, 'root'), (draft) => unpackFromDebian(mirror, draft));
  } catch {
    // No network, no signature, no room: the caller says what to do instead.
    return undefined;
  }
  return unpackedIn(join(home, 'root'));
}

/**
 * Has `make` fill a directory that becomes `place` when it is complete. One at a time: others wait for the one that is at
 * it and take what it made; one that died in the middle is no hindrance.
 */
export async function makeOnce(place: string, make: (draft: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(place), { recursive: true });
  const lock = `${place}.lock`;
  const made = await poll<'made' | 'mine'>(
    async () => {
      if ((await stat(place).catch(() => undefined)) !== undefined) return 'made';
      return (await takeLock(lock)) ? 'mine' : undefined;
    },
    { withinMilliseconds: INSTALL_MILLISECONDS, everyMilliseconds: 200 },
  );
  if (made === 'made') return;
  if (made === undefined) throw new Error(`${lock} is held for too long`);
  try {
    // Somebody may have finished between the look and the lock.
    if ((await stat(place).catch(() => undefined)) !== undefined) return;
    const abandoned = (await readdir(dirname(place))).filter((name) => name.startsWith(`${basename(place)}.draft-`));
    for (const name of abandoned) await rm(join(dirname(place), name), { recursive: true, force: true });
    const draft = await mkdtemp(`${place}.draft-`);
    try {
      await make(draft);
      await rename(draft, place);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

/** A directory can be made by one only. Its holder is written beside it first, so that a dead one can be told. */
async function takeLock(lock: string): Promise<boolean> {
  const draft = await mkdtemp(`${lock}-`);
  await writeFile(join(draft, 'pid'), String(process.pid));
  try {
    // Renaming onto a directory that is not empty fails: https://man7.org/linux/man-pages/man2/rename.2.html
    await rename(draft, lock);
    return true;
  } catch {
    await rm(draft, { recursive: true, force: true });
  }
  const holder = Number(await readFile(join(lock, 'pid'), 'utf8').catch(() => Number.NaN));
  if (Number.isInteger(holder) && holder > 0 && !isRunning(holder)) await rm(lock, { recursive: true, force: true });
  return false;
}

/** What a `mysqld` says it is; `undefined` for none, for MariaDB (which goes by the same name), and for one too old. */
async function ask({ command, options }: Omit<MysqlBinaries, 'version'>): Promise<MysqlBinaries | undefined> {
  const [file = '', ...first] = command;
  let said: string;
  try {
    said = (await run(file, [...first, '--no-defaults', '--version'], { timeout: 20_000 })).stdout;
  } catch {
    return undefined;
  }
  const found = /Ver (\d+)\.(\d+)\.(\d+)/.exec(said);
  if (found === null || /mariadb/i.test(said)) return undefined;
  const version = found.slice(1).map(Number);
  const difference = version.map((part, index) => part - (OLDEST[index] ?? 0)).find((part) => part !== 0) ?? 0;
  return difference < 0 ? undefined : { version: version.join('.'), command, options };
}

/** A MySQL with every library it needs, and the loader that finds them: it takes nothing from the system. */
async function unpackedIn(root: string): Promise<MysqlBinaries | undefined> {
  const usr = join(root, 'usr');
  const triple = (await readdir(join(usr, 'lib')).catch(() => [])).find((name) => name.endsWith('-linux-gnu'));
  if (triple === undefined) return undefined;
  const libraries = join(usr, 'lib', triple);
  const loader = (await readdir(libraries)).find((name) => name.startsWith('ld-linux'));
  if (loader === undefined) return undefined;
  return ask({
    command: [join(libraries, loader), '--library-path', libraries, join(usr, 'sbin', 'mysqld')],
    options: [
      `--basedir=${usr}`,
      `--lc-messages-dir=${join(usr, 'share', 'mysql')}`,
      `--character-sets-dir=${join(usr, 'share', 'mysql', 'charsets')}`,
      `--plugin-dir=${join(usr, 'lib', 'mysql', 'plugin')}`,
    ],
  });
}

/** The machine's own mirror of Debian's archive: where its own packages come from. */
async function debianMirror(): Promise<string | undefined> {
  if ((await stat(KEYRING).catch(() => undefined)) === undefined) return undefined;
  try {
    const { stdout } = await run('apt-get', ['indextargets', '--format', '$(ORIGIN) $(SITE)'], { timeout: 20_000 });
    const sources = stdout.split('\n').map((line) => line.trim().replace(/\/+$/, '').split(' '));
    const mirrors = sources.filter(([, site = '']) => site.endsWith('/debian'));
    // Others, too, call a folder for Debian so. Which is which is known once the machine has read its sources.
    const [, site] = mirrors.find(([origin]) => origin === 'Debian') ?? mirrors[0] ?? [];
    return site;
  } catch {
    return undefined;
  }
}

/** MySQL and all it needs, from the archive's newest suite; apt verifies the archive's signature. */
async function unpackFromDebian(mirror: string, draft: string): Promise<void> {
  const apt = await mkdtemp(`${draft}-apt-`);
  try {
    for (const folder of ['state/lists/partial', 'cache/archives/partial', 'etc/empty']) {
      await mkdir(join(apt, folder), { recursive: true });
    }
    await writeFile(join(apt, 'state', 'status'), '');
    await writeFile(join(apt, 'etc', 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror} sid main\n`);
    const settings: Readonly<Record<string, string>> = {
      'Dir::State': join(apt, 'state'),
      'Dir::State::status': join(apt, 'state', 'status'),
      'Dir::Cache': join(apt, 'cache'),
      'Dir::Etc::sourcelist': join(apt, 'etc', 'sources.list'),
      'Dir::Etc::sourceparts': join(apt, 'etc', 'empty'),
      'Dir::Etc::preferencesparts': join(apt, 'etc', 'empty'),
      'Dir::Log': apt,
      'APT::Install-Recommends': 'false',
      'Acquire::Languages': 'none',
      'Acquire::Retries': '1',
      // Each source: a machine without a network must not wait for long.
      'Acquire::http::Timeout': '10',
      'Acquire::https::Timeout': '10',
      // Its own directories: nobody else is in them, and only root could lock the system's.
      'Debug::NoLocking': 'true',
    };
    const configuration = join(apt, 'apt.conf');
    await writeFile(
      configuration,
      Object.entries(settings)
        .map(([key, value]) => `${key} "${value}";\n`)
        .join(''),
    );
    const environment = { env: { ...process.env, APT_CONFIG: configuration, DEBIAN_FRONTEND: 'noninteractive' } };
    const limits = { ...environment, timeout: INSTALL_MILLISECONDS, maxBuffer: 16 * 1_048_576 };
    await run('apt-get', ['update', '-qq'], limits);
    await run('apt-get', ['install', '-qq', '--download-only', '--yes', 'mysql-server-core'], limits);
    const archives = join(apt, 'cache', 'archives');
    for (const name of await readdir(archives)) {
      if (name.endsWith('.deb')) await run('dpkg-deb', ['--extract', join(archives, name), draft], limits);
    }
    for (const name of ['doc', 'man', 'locale', 'info']) {
      await rm(join(draft, 'usr', 'share', name), { recursive: true, force: true });
    }
  } finally {
    await rm(apt, { recursive: true, force: true });
  }
}
