import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Misconfigured } from '../../shared/errors.ts';
import { accountText, identifier, literal } from '../../shared/rotators/mysql/sql-text.ts';
import * as fc from '../harness/properties.ts';
import { connectTo, type DatabaseHarness, faultOf, parsed } from './mysql-harness.ts';

const fragment = fc.constantFrom(
  '"',
  "'",
  "''",
  '`',
  '``',
  '\\',
  "\\'",
  '@',
  '%',
  '_',
  ';',
  '-- ',
  '/*',
  '*/',
  '#',
  ' ',
  ' TO ',
  ' ON ',
  ',',
  '(',
  ')',
  '.',
  'é',
  '漢',
  'A',
  'z',
  '\n',
  '\r',
  '\t',
  '\u001a',
  'GRANT',
);
const hostile = fc.array(fragment, { minLength: 1, maxLength: 12 }).map((parts) => parts.join(''));
/** Blanks at the ends are not kept by the servers. */
const userName = hostile.map((name) => `u${name.slice(0, 20)}z`);
const password = fc
  .array(fc.oneof(fragment, fc.constantFrom('😀', '\u0001', '\u007f')), { minLength: 1, maxLength: 20 })
  .map((parts) => parts.join(''));

/** Settings of a server, for every session that does not say otherwise, that change how text is read. */
export const ODD_MODES = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT';

/** What reaches the server's language may hold any character; and nothing else changes by it. */
export function namesSuite(start: () => Promise<DatabaseHarness>): void {
  let database: DatabaseHarness;
  beforeAll(async () => {
    database = await start();
  });
  afterAll(() => database?.stop());

  it('rotates users, passwords and databases of any name, and touches nobody else', { timeout: 120_000 }, async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(userName, password, hostile, password, async (base, plain, place, other) => {
        run += 1;
        const user = `${run}${base}`;
        const account = accountText({ user, host: '%' });
        const there = identifier(`d${run}${place.replaceAll(/[./\\ \r\n\t]/g, '')}z`);
        await sql(
          `CREATE USER ${account} IDENTIFIED BY ${literal(plain)}`,
          `CREATE DATABASE ${there}`,
          `CREATE TABLE ${there}.${identifier(`t${base}`)} (${identifier(`c${base}`)} INT)`,
          `GRANT SELECT (${identifier(`c${base}`)}) ON ${there}.${identifier(`t${base}`)} TO ${account}`,
          `GRANT INSERT ON ${there}.* TO ${account} WITH GRANT OPTION`,
        );
        const before = await everybodyBut(user);
        const incumbent = database.secret({ username: user, password: plain, other });
        const adopted = { name: `secret ${user}`, declared: {}, incumbent, admin: database.admin };
        const rotations = database.rotations(adopted);
        const first = await rotations.rotate();
        expect(parsed(first.value)['other']).toBe(other);
        await rotations.rotate();
        expect(await rotations.probe(incumbent)).toBe('refused');
        expect(await rotations.probe(first.value)).toBe('refused');
        expect(await rotations.probe(rotations.current.value)).toBe('accepted');
        expect(await everybodyBut(user)).toEqual(before);
      }),
      { numRuns: 8 },
    );
  });

  it.each([
    ['a NUL in its name', { username: 'a\0b', password: 'x' }],
    ['a NUL in its password', { username: 'a', password: 'x\0y' }],
    ['a NUL in its database', { username: 'a', password: 'x', dbname: 'a\0b' }],
    ['a character that the server does not keep in names', { username: 'a😀', password: 'x' }],
    ['a blank at the end of its name', { username: 'a ', password: 'x' }],
    ['half a character', { username: 'a', password: 'x\ud800' }],
    ['a password that is too long', { username: 'a', password: 'x'.repeat(257) }],
    ['a socket for a host', { username: 'a', password: 'x', host: '/run/mysqld.sock' }],
    ['an engine of others', { username: 'a', password: 'x', engine: 'postgres' }],
  ])('refuses a secret with %s, without a word of it', async (_, values) => {
    const incumbent = database.secret(values);
    const adopted = { name: 'refused', declared: {}, incumbent, admin: database.admin };
    database.logins.splice(0);
    const fault = await faultOf(database.rotations(adopted).preflight('v1'));
    expect(fault).toBeInstanceOf(Misconfigured);
    expect((fault as Misconfigured).safeMessage).toMatch(/username|password|dbname|host|engine/);
    expect(JSON.stringify([(fault as Misconfigured).safeMessage, (fault as Error).cause ?? ''])).not.toMatch(
      /sock|😀|xxx/,
    );
    expect(database.logins).toEqual([]);
  });

  describe('a password in another key', () => {
    it('is refused: it would go stale', async () => {
      const name = 'stale';
      const { password: held } = parsed(await database.createUser(name));
      const incumbent = database.secret({ username: name, password: held, url: `mysql://${name}:${held}@db/x` });
      const adopted = { name, declared: {}, incumbent, admin: database.admin };
      await expect(database.rotations(adopted).preflight('v1')).rejects.toThrow(/"url"/);
    });
  });

  it('finds a server that keeps its temporary tables to itself: another one that starts removes what it finds', async () => {
    const [row] = await sql('SELECT @@tmpdir AS place');
    expect(row?.['place']).toBe(dirname(database.server.dataDirectory));
  });

  /** In the server's default way of reading text, whatever it is set to. */
  async function sql(...statements: readonly string[]): Promise<Record<string, unknown>[]> {
    const connection = await connectTo(database.admin);
    try {
      await connection.query("SET SESSION sql_mode = ''");
      let rows: unknown = [];
      for (const statement of statements) [rows] = await connection.query(statement);
      return rows as Record<string, unknown>[];
    } finally {
      await connection.end();
    }
  }

  /** All accounts that have nothing to do with `user`, and what they were given. */
  async function everybodyBut(user: string): Promise<unknown> {
    const accounts = await sql('SELECT User, Host, plugin, authentication_string FROM mysql.user ORDER BY 1, 2');
    const rights = await Promise.all(
      ['db', 'tables_priv', 'columns_priv'].map((table) => sql(`SELECT * FROM mysql.${table} ORDER BY Host, Db, User`)),
    );
    return [accounts, ...rights].map((rows) =>
      rows.filter((row) => ![user, `${user}_a`, `${user}_b`].includes(String(row['User']))),
    );
  }
}
