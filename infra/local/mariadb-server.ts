import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { asUser, finished, type MysqlServer, type MysqlSettings, startDatabase } from './mysql-server.ts';

/** For people whose machine has no MariaDB. */
export const HOW_TO_GET_MARIADB =
  'No MariaDB 10.4 or newer: install the package mariadb-server (mariadbd and mariadb-install-db).';

export interface MariadbBinaries {
  readonly version: string;
  readonly mariadbd: string;
  readonly installer: string;
}

/** The MariaDB of this machine, on the PATH or where Debian puts servers; `undefined` where there is none. */
export async function findMariadbBinaries(): Promise<MariadbBinaries | undefined> {
  const [mariadbd, installer] = await Promise.all([find('mariadbd'), find('mariadb-install-db')]);
  if (mariadbd === undefined || installer === undefined) return undefined;
  try {
    const { stdout } = await promisify(execFile)(mariadbd, ['--no-defaults', '--version'], { timeout: 20_000 });
    const [, version, major = '', minor = ''] = /Ver ((\d+)\.(\d+)\.\d+)-MariaDB/.exec(stdout) ?? [];
    const isNew = Number(major) > 10 || (Number(major) === 10 && Number(minor) >= 4);
    return version === undefined || !isNew ? undefined : { version, mariadbd, installer };
  } catch {
    return undefined;
  }
}

/** A MariaDB of its own on a free port of 127.0.0.1; it ends with the process that started it. */
export async function startMariadb(binaries: MariadbBinaries, settings: MysqlSettings = {}): Promise<MysqlServer> {
  const { version, mariadbd, installer } = binaries;
  return startDatabase(
    {
      name: 'mariadb',
      command: [mariadbd],
      options: [],
      template: resolve('.local', 'mariadb', `data-${version}`),
      settings: {
        innodb_log_file_size: '8M',
        // Debian's package enables it elsewhere than in the options that are left out here.
        plugin_maturity: 'stable',
      },
      initialise: (directory) =>
        finished(
          [
            installer,
            '--no-defaults',
            ...asUser(),
            `--datadir=${directory}`,
            '--auth-root-authentication-method=normal',
            '--skip-test-db',
            '--innodb-log-file-size=8M',
          ],
          directory,
        ),
      // One for each name of this machine, without passwords.
      closing: ["DELETE FROM mysql.global_priv WHERE User = 'root'", 'FLUSH PRIVILEGES'],
    },
    settings,
  );
}

async function find(name: string): Promise<string | undefined> {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  for (const directory of directories) {
    const file = join(directory, name);
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  return undefined;
}
