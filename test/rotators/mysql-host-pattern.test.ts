import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mayLetIn } from '../../shared/rotators/mysql/host-pattern.ts';
import { literal } from '../../shared/rotators/mysql/sql-text.ts';
import { connectTo, type DatabaseHarness, mysqlBinaries, startMysqlHarness, WITH_MYSQL } from './mysql-harness.ts';

it.each([
  ['', '10.1.2.3', true],
  ['%', 'web.example.com', true],
  ['10.9.%', '10.9.1.2', true],
  ['10.9.%', '10.90.1.2', false],
  ['10.9.%', '110.9.1.2', false],
  ['10.9.1._', '10.9.1.2', true],
  ['10.9.1._', '10.9.1.22', false],
  ['1.1.1.%', '1.101.1.5', false],
  ['10.9.0.0/255.255.0.0', '10.1.2.3', true],
  ['10.9.0.0/16', '10.1.2.3', true],
  ['2001:db8:%', '2001:DB8::1', true],
  ['2001:db8:%', '2001:db9::1', false],
  ['2001:db8:%', '10.9.1.2', false],
  ['%.example.com', 'WEB.example.com', true],
  ['%.example.com', 'web.example.org', false],
  ['a\\_b.example.com', 'a_b.example.com', true],
  ['a\\_b.example.com', 'axb.example.com', false],
  ['(.*)+.example.com', 'web.example.com', false],
  // Only a resolver knows.
  ['%.example.com', '10.9.1.2', true],
  ['10.9.%', 'web.example.com', true],
  ['10.9.%', '', true],
  ['localhost', 'localhost', true],
  ['LOCALHOST', '127.0.0.1', true],
  ['localhost', '::1', true],
  ['localhost', '10.9.1.2', false],
])('an account for "%s" and a client at "%s": %s', (pattern, client, expected) => {
  expect(mayLetIn(pattern, client)).toBe(expected);
});

describe.skipIf(mysqlBinaries === undefined)(WITH_MYSQL, () => {
  let mysql: DatabaseHarness;
  beforeAll(async () => {
    mysql = await startMysqlHarness();
  });
  afterAll(() => mysql?.stop());

  const patterns = ['%', '127.%', '127.9.%', '127.9.1._', '127.0.0.1', '127.9.1.2', '127.9.0.0/255.255.0.0', '1_7.%.2'];
  const clients = ['127.0.0.1', '127.9.1.2', '127.9.1.22', '127.90.1.2'];

  it.each(patterns)('lets nobody in by an account for %s whom that account may not let in', async (pattern) => {
    await mysql.sql(`CREATE USER app@${literal(pattern)} IDENTIFIED BY 'x'`);
    const letIn: string[] = [];
    for (const client of clients) {
      const { host, port } = mysql.server;
      const stream = () => connect({ host, port, localAddress: client });
      const connection = await connectTo(mysql.secret({ username: 'app', password: 'x' }), { stream }).catch(
        () => undefined,
      );
      if (connection !== undefined) letIn.push(client);
      await connection?.end();
    }
    const isExact = !pattern.includes('/');
    const expected = clients.filter((client) => mayLetIn(pattern, client));
    if (isExact) expect(letIn).toEqual(expected);
    expect(expected).toEqual(expect.arrayContaining(letIn));
    expect(letIn).not.toEqual([]);
    await mysql.sql(`DROP USER app@${literal(pattern)}`);
  });
});
