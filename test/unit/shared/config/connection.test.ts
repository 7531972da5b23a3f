import { describe, expect, it } from 'vitest';

import { problems, secret } from './one-secret.ts';

function connection(type: string, ...fields: readonly string[]) {
  return secret([`type: ${type}`, 'admin_secret: root', `connection: { ${fields.join(', ')} }`]).connection;
}

function refused(type: string, field: string): readonly string[] {
  return problems([`type: ${type}`, 'admin_secret: root', 'connection:', '  host: a', `  ${field}`]);
}

describe('connection', () => {
  it('is declared with every field of its type, and TLS where the server offers it', () => {
    expect(connection('postgresql', 'host: a', 'port: 1', 'dbname: b', 'owner_role: c', 'tls: require')).toEqual({
      host: 'a',
      port: 1,
      dbname: 'b',
      ownerRole: 'c',
      tls: 'require',
    });
    expect(connection('mysql', 'host: a', 'dbname: b', 'owner_role: c')).toEqual({
      host: 'a',
      dbname: 'b',
      ownerRole: 'c',
      tls: 'prefer',
    });
    expect(connection('mariadb', 'host: a', 'tls: disable')).toEqual({ host: 'a', tls: 'disable' });
    expect(connection('redis', 'host: a', 'owner_role: app', 'nodes: ["b:1", "[fd00::2]:65535"]')).toEqual({
      host: 'a',
      ownerRole: 'app',
      nodes: ['b:1', '[fd00::2]:65535'],
      tls: 'prefer',
    });
    expect(connection('redis', 'host: a', 'users_kept_by: provider')).toEqual({
      host: 'a',
      usersKeptBy: 'provider',
      tls: 'prefer',
    });
    expect(connection('rabbitmq', 'host: a', 'port: 5671', 'management_port: 15671', 'vhost: /')).toEqual({
      host: 'a',
      port: 5671,
      managementPort: 15_671,
      vhost: '/',
      tls: 'prefer',
    });
  });

  const NODE = 'a node is host:port, such as redis-2.example.com:6379 or [fd00::2]:6379, the port from 1 to 65535';
  const NODES = 'nodes is a list of 1 to 1000 texts such as redis-2.example.com:6379';
  it.each([
    ['nodes: ["b"]', `8:15: found "b"; ${NODE}`],
    ['nodes: ["b:0"]', `8:15: found "b:0"; ${NODE}`],
    ['nodes: ["b:65536"]', `8:15: found "b:65536"; ${NODE}`],
    ['nodes: ["a:1", "fd00::2:6379"]', `8:22: found "fd00::2:6379"; ${NODE}`],
    ['nodes: ["b:1/x"]', `8:15: found "b:1/x"; ${NODE}`],
    ['nodes: [6379]', `8:15: found a number without quotes; ${NODE}`],
    ['nodes: b:1', `8:14: found "b:1"; ${NODES}`],
    ['nodes: []', `8:14: found a list; ${NODES}`],
    [`nodes: [${'"a:1",'.repeat(1001)}]`, `8:14: found a list; ${NODES}`],
  ])('refuses %.40s', (field, expected) => {
    expect(refused('redis', field)).toEqual([expected]);
  });

  it('refuses another keeper of users than the provider', () => {
    expect(refused('redis', 'users_kept_by: rekey')).toEqual([
      '8:22: found "rekey"; users_kept_by is provider, or is left out',
    ]);
  });

  it('takes a thousand nodes', () => {
    expect(connection('redis', 'host: a', `nodes: [${'"a:1",'.repeat(1000)}]`)?.nodes).toHaveLength(1000);
  });

  const VHOST = 'vhost is the name of a virtual host, at most 255 characters, and neither . nor ..';
  it.each([
    ['management_port: 0', '8:24: found a number; management_port is a whole number from 1 to 65535'],
    ['management_port: 65536', '8:24: found a number; management_port is a whole number from 1 to 65535'],
    ['management_port: "1"', '8:24: found "1"; management_port is a whole number from 1 to 65535'],
    ['vhost: .', `8:14: found "."; ${VHOST}`],
    ['vhost: ..', `8:14: found ".."; ${VHOST}`],
    ['vhost: ""', `8:14: found ""; ${VHOST}`],
    ['vhost: 1', `8:14: found a number without quotes; ${VHOST}`],
    [`vhost: ${'a'.repeat(256)}`, `8:14: found "${'a'.repeat(39)}…"; ${VHOST}`],
  ])('refuses %.40s', (field, expected) => {
    expect(refused('rabbitmq', field)).toEqual([expected]);
  });
});
