import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ed25519PublicKey } from '../../shared/rotators/mariadb/ed25519.ts';
import { mariadbBinaries, startMariadbHarness, WITH_MARIADB } from './mariadb-harness.ts';
import { type DatabaseHarness, parsed, usernameOf } from './mysql-harness.ts';
import type { SecretText } from '../../shared/redact.ts';

/** https://mariadb.com/kb/en/authentication-plugin-ed25519/ */
const DOCUMENTED = 'ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY';

it('computes the public key that MariaDB documents', () => {
  expect(ed25519PublicKey('secret')).toBe(DOCUMENTED);
});

describe.skipIf(mariadbBinaries === undefined)(WITH_MARIADB, () => {
  let mariadb: DatabaseHarness;
  beforeAll(async () => {
    mariadb = await startMariadbHarness({ plugin_load_add: 'auth_ed25519' });
  });
  afterAll(() => mariadb?.stop());

  const adoptedWith = (incumbent: SecretText) => {
    const name = usernameOf(incumbent);
    return { name, declared: {}, incumbent, admin: mariadb.admin };
  };

  it.each([['secret'], ['x'.repeat(200)], ['ünï漢字😀\n\\"']])(
    'logs in as the plugin asks, password %j',
    async (password) => {
      const name = `user${password.length}`;
      await mariadb.sql(`CREATE USER ${name} IDENTIFIED VIA ed25519 USING '${ed25519PublicKey(password)}'`);
      const incumbent = mariadb.secret({ username: name, password });
      const rotations = mariadb.rotations(adoptedWith(incumbent));
      expect(await rotations.probe(incumbent)).toBe('accepted');
      expect(await rotations.probe(mariadb.secret({ username: name, password: `${password}!` }))).toBe('refused');
      await rotations.rotator.release();
    },
  );

  it('gives the candidate the plugin of the incumbent, and each retired one is refused', async () => {
    await mariadb.sql(`CREATE USER app IDENTIFIED VIA ed25519 USING '${ed25519PublicKey('by hand')}'`);
    const rotations = mariadb.rotations(adoptedWith(mariadb.secret({ username: 'app', password: 'by hand' })));
    const first = await rotations.rotate();
    expect(await pluginOf('app_a')).toMatchObject({
      plugin: 'ed25519',
      hash: ed25519PublicKey(parsed(first.value).password),
    });
    await rotations.rotate();
    expect(await rotations.probe(first.value)).toBe('refused');
  });

  it('keeps only the password of an incumbent that has other ways in, and closes all of them', async () => {
    const hash = ed25519PublicKey('by hand');
    await mariadb.sql(`CREATE USER ways IDENTIFIED VIA unix_socket OR ed25519 USING '${hash}'`);
    const rotations = mariadb.rotations(adoptedWith(mariadb.secret({ username: 'ways', password: 'by hand' })));
    await rotations.rotate();
    expect(await pluginOf('ways_a')).toMatchObject({ plugin: 'ed25519', others: null });
    expect(await pluginOf('ways')).toMatchObject({ plugin: 'mysql_native_password' });
    expect(JSON.stringify(await pluginOf('ways'))).not.toMatch(/unix_socket|ed25519/);
  });

  async function pluginOf(user: string): Promise<unknown> {
    const [row] = await mariadb.sql(
      `SELECT JSON_VALUE(Priv, '$.plugin') AS plugin, JSON_VALUE(Priv, '$.authentication_string') AS hash,
              JSON_QUERY(Priv, '$.auth_or') AS others FROM mysql.global_priv WHERE User = '${user}'`,
    );
    return row;
  }
});
