import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MYSQL_FLAVOUR } from '../../shared/rotators/mysql/mysql-flavour.ts';
import { sha256Crypt } from '../../shared/rotators/mysql/sha256-crypt.ts';
import { isPasswordOf, isUnusable, storedFor, unusablePassword } from '../../shared/rotators/mysql/stored-password.ts';
import { type DatabaseHarness, mysqlBinaries, parsed, startMysqlHarness, WITH_MYSQL } from './mysql-harness.ts';

// https://www.akkadia.org/drepper/SHA-crypt.txt
it('computes the documented SHA-crypt', () => {
  const digest = sha256Crypt(Buffer.from('Hello world!'), Buffer.from('saltstring'), 5_000);
  expect(digest).toBe('5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5');
});

it('computes the documented hash of mysql_native_password', () => {
  const stored = storedFor('mysql_native_password', 'mypass', 'v1');
  expect(stored.hash).toBe('*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4');
  expect(isPasswordOf(stored, 'mypass')).toBe(true);
  expect(isPasswordOf({ ...stored, hash: stored.hash.toLowerCase() }, 'mypass')).toBe(true);
  expect(isPasswordOf(stored, 'mypass ')).toBe(false);
});

it.each(['caching_sha2_password', 'sha256_password', 'mysql_native_password'])(
  'makes the same of the same, with %s',
  (plugin) => {
    expect(storedFor(plugin, 'secret', 'v1')).toEqual(storedFor(plugin, 'secret', 'v1'));
    const closing = { secretId: 'shop', versionId: 'v1' };
    expect(unusablePassword(plugin, closing)).not.toEqual(unusablePassword(plugin, closing));
    expect(isPasswordOf({ plugin, hash: '' }, '')).toBe(false);
    expect(isPasswordOf({ plugin: 'other', hash: storedFor(plugin, 'x', 'v1').hash }, 'x')).toBe(false);
  },
);

it.each(['caching_sha2_password', 'sha256_password', 'mysql_native_password'])(
  'knows the passwords that it has made unusable, for which secret and which version, with %s',
  (plugin) => {
    const stored = unusablePassword(plugin, { secretId: 'shop', versionId: 'v1' });
    expect(isUnusable(stored, { secretId: 'shop' })).toBe(true);
    expect(isUnusable(stored, { secretId: 'shop', versionId: 'v1' })).toBe(true);
    expect(isUnusable({ ...stored, hash: stored.hash.toLowerCase() }, { secretId: 'shop' })).toBe(
      plugin === 'mysql_native_password',
    );
    for (const other of [{ secretId: 'shop', versionId: 'v2' }, { secretId: 'v1' }, { secretId: 'shop2' }]) {
      expect(isUnusable(stored, other)).toBe(false);
    }
    for (const context of ['shop', 'v1', 'x']) {
      expect(isUnusable(storedFor(plugin, "a person's", context), { secretId: 'shop' })).toBe(false);
    }
    expect(isUnusable({ plugin, hash: '' }, { secretId: 'shop' })).toBe(false);
  },
);

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => {
  let mysql: DatabaseHarness;
  beforeAll(async () => {
    // More rounds than by default, in what the server itself makes.
    mysql = await startMysqlHarness({ caching_sha2_password_digest_rounds: '17000' });
  });
  afterAll(() => mysql?.stop());

  const passwords = [1, 16, 31, 32, 33, 63, 64, 65, 128, 200, 256].map((length) =>
    'pä漢😀ssw0rd'.repeat(40).slice(0, length),
  );

  it.each(['caching_sha2_password', 'sha256_password'])(
    'knows a password by what the server stores, with %s',
    async (plugin) => {
      for (const password of passwords.filter((text) => text.isWellFormed() && Buffer.byteLength(text) <= 256)) {
        await mysql.sql(`CREATE USER x IDENTIFIED WITH ${plugin} BY '${password}'`);
        const [account] = await MYSQL_FLAVOUR.readAccounts(await session(), 'x');
        const [stored] = account?.passwords ?? [];
        expect(stored === undefined ? undefined : isPasswordOf(stored, password)).toBe(true);
        expect(stored === undefined ? undefined : isPasswordOf(stored, `${password}!`)).toBe(false);
        await mysql.sql('DROP USER x');
      }
    },
  );

  it.each(['caching_sha2_password', 'sha256_password'])(
    'stores what the server takes for the password, with %s',
    async (plugin) => {
      const value = mysql.secret({ username: 'y', password: 'ünï漢字 \'"\\' });
      await mysql.sql(`CREATE USER y ${MYSQL_FLAVOUR.identifiedBy(storedFor(plugin, parsed(value).password, 'v1'))}`);
      const rotations = mysql.rotations({ name: 'y', declared: {}, incumbent: value, admin: mysql.admin });
      expect(await rotations.probe(value)).toBe('accepted');
      const brought = await rotations.rotate();
      expect(await rotations.probe(value)).toBe('refused');
      const [account] = await MYSQL_FLAVOUR.readAccounts(await session(), 'y');
      expect(account?.passwords).toEqual([storedFor(plugin, parsed(brought.value).password, brought.versionId)]);
      await mysql.sql('DROP USER y');
    },
  );

  async function session() {
    const connection = await mysql.open(mysql.admin);
    return {
      isEncrypted: false,
      query: async <Row>(_: string, text: string) => (await connection.query(text))[0] as Row[],
      run: async () => undefined,
      end: async () => connection.end(),
    };
  }
});
