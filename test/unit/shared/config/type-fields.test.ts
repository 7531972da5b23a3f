import { describe, expect, it } from 'vitest';

import { SECRET_TYPES, type SecretType } from '../../../../shared/config/declaration.ts';
import { problems, secret } from './one-secret.ts';

type Kind = SecretType | undefined;
const DATABASES: readonly Kind[] = ['postgresql', 'mysql', 'mariadb'];
const KINDS: readonly Kind[] = [...SECRET_TYPES, undefined];

/** A line that is right but for the type, the types that have it, and where the field stands in it. */
const FIELDS: readonly (readonly [field: string, line: string, kinds: readonly Kind[], column: number])[] = [
  ['connection', 'connection: { host: db }', [...DATABASES, 'redis', 'rabbitmq', undefined], 5],
  ['dbname', 'connection: { host: db, dbname: app }', [...DATABASES, undefined], 29],
  ['owner_role', 'connection: { host: db, owner_role: app }', [...DATABASES, 'redis', undefined], 29],
  ['nodes', 'connection: { host: db, nodes: ["b:1"] }', ['redis'], 29],
  ['users_kept_by', 'connection: { host: db, users_kept_by: provider }', ['redis'], 29],
  ['management_port', 'connection: { host: db, management_port: 1 }', ['rabbitmq'], 29],
  ['vhost', 'connection: { host: db, vhost: orders }', ['rabbitmq'], 29],
  ['provider', 'provider: {}', ['iam', 'github_token', 'api_key'], 5],
  ['user', 'provider: { user: uploader }', ['iam'], 17],
  ['app_id', 'provider: { app_id: 1 }', ['github_token'], 17],
  ['installation_id', 'provider: { installation_id: 1 }', ['github_token'], 17],
  ['repositories', 'provider: { repositories: [rekey] }', ['github_token'], 17],
  ['name', 'provider: { name: openai }', ['api_key'], 17],
  ['project', 'provider: { project: proj_1 }', ['api_key'], 17],
  ['service_account', 'provider: { service_account: svc_acct_1 }', ['api_key'], 17],
  ['base_url', 'provider: { base_url: https://api.example.com }', ['github_token', 'api_key'], 17],
  ['certificate_authority', 'provider: { certificate_authority: ca.pem }', ['github_token', 'api_key'], 17],
  ['expires_in', 'provider: { expires_in: 90d }', ['api_key'], 17],
  ['http', 'http: {}', ['http'], 5],
  ['policy', 'policy: {}', [...DATABASES, 'redis', 'rabbitmq', 'credential', undefined], 5],
  ['key', 'policy: { key: token }', ['credential'], 15],
  ['privileges', 'privileges: read_only', [...DATABASES, undefined], 5],
  ['permissions', 'permissions: [read]', ['github_token', 'api_key', 'iam'], 5],
];

/** The mapping that a field is in; a type without the mapping is told of that, and of nothing in it. */
function mappingOf(line: string): readonly Kind[] {
  const word = line.split(':', 1)[0] ?? '';
  return FIELDS.find(([field]) => field === word)?.[2] ?? [];
}

describe('the fields of each type', () => {
  it.each(
    FIELDS.flatMap(([field, line, kinds, column]) => KINDS.map((kind) => ({ field, line, kinds, kind, column }))),
  )('has or has not $field ($kind): $line', ({ field, line, kinds, kind, column }) => {
    const found = problems([line, ...(kind === undefined ? [] : [`type: ${kind}`])]);
    const misplaced = found.filter((problem) => problem.includes('; only '));
    if (kinds.includes(kind)) {
      expect(misplaced).toEqual([]);
      return;
    }
    const typed = kinds.filter((one) => one !== undefined);
    const told = mappingOf(line).includes(kind)
      ? { name: field, at: column, only: typed }
      : { name: line.split(':', 1)[0], at: 5, only: mappingOf(line).filter((one) => one !== undefined) };
    expect(misplaced).toEqual([
      `4:${told.at}: found ${told.name} in a secret ${kind === undefined ? 'without type' : `of type ${kind}`}; only ${told.only.join(', ')} ${told.only.length === 1 ? 'has' : 'have'} it`,
    ]);
  });

  it('are named together with everything else that is wrong', () => {
    expect(problems(['type: redis', 'connection: { hosts: db, vhost: a, port: 0 }', 'permissions: [read]'])).toEqual([
      '5:17: host is missing; host is a host name or an IP address, without port',
      '5:19: found the unknown key "hosts"; connection has host, port, dbname, owner_role, nodes, users_kept_by, management_port, vhost, tls, certificate_authority; did you mean "host"?',
      '5:30: found vhost in a secret of type redis; only rabbitmq has it',
      '5:46: found a number; port is a whole number from 1 to 65535',
      '6:5: found permissions in a secret of type redis; only github_token, api_key, iam have it',
    ]);
  });

  it('are not judged where the type itself is wrong', () => {
    expect(problems(['type: reddis', 'connection: { host: db, vhost: a }', 'http: {}']).join('\n')).not.toContain(
      '; only ',
    );
  });
});

describe('fields that must be there', () => {
  const DBNAME = 'dbname is missing; dbname is the name of a database, at most 63 characters';

  it.each([
    [['type: postgresql', 'mode: single_role', 'connection: { host: db }'], [`6:17: ${DBNAME}`]],
    [['mode: single_role', 'connection: { host: db }'], [`5:17: ${DBNAME}`]],
    [['type: mysql', 'admin_secret: root', 'connection: { host: db }'], []],
    [['type: mariadb', 'admin_secret: root', 'connection: { host: db }'], []],
    [['type: redis', 'connection: { host: db }'], []],
    [['type: rabbitmq', 'admin_secret: root', 'connection: { host: db }'], []],
    [['type: iam', 'provider: {}'], ['5:15: user is missing; provider of a secret of type iam has user']],
    [
      ['type: github_token', 'admin_secret: app', 'provider: {}'],
      [
        '6:15: app_id is missing; provider of a secret of type github_token has app_id and installation_id',
        '6:15: installation_id is missing; provider of a secret of type github_token has app_id and installation_id',
      ],
    ],
    [
      ['type: api_key', 'admin_secret: app', 'provider: { name: openai, project: proj_1 }'],
      ['6:15: service_account is missing; provider of a secret of type api_key has project and service_account'],
    ],
    [
      ['type: api_key', 'admin_secret: app', 'provider: { service_account: svc_acct_1 }'],
      ['6:15: project is missing; provider of a secret of type api_key has project and service_account'],
    ],
  ])('of %j', (lines, expected) => {
    expect(problems(lines)).toEqual(expected);
  });

  it('are named once where connection itself is no mapping', () => {
    expect(problems(['connection: db'])).toEqual(['4:17: found "db"; connection is a mapping with host']);
    expect(problems(['type: iam', 'provider: deployer'])).toEqual([
      '5:15: found "deployer"; provider is a mapping such as { user: uploader }',
    ]);
  });
});

describe('single_role', () => {
  it.each(KINDS)('is for postgresql and for secrets without type: %s', (kind) => {
    const lines = ['mode: single_role', ...(kind === undefined ? [] : [`type: ${kind}`])];
    if (kind === undefined || kind === 'postgresql') expect(secret(lines).mode).toBe('single_role');
    else
      expect(problems(lines)).toEqual([`4:11: found single_role in a secret of type ${kind}; only postgresql has it`]);
  });

  it.each(KINDS)('is the only mode that is refused: %s', (kind) => {
    expect(problems(['mode: two_roles', ...(kind === undefined ? [] : [`type: ${kind}`])])).toEqual([]);
  });
});

describe('admin_secret beside connection', () => {
  const MODE = 'mode two_roles with connection needs admin_secret, or write mode: single_role';
  const FOUND = 'found connection without admin_secret';

  it.each([
    [['connection: { host: db, dbname: a }'], [`4:17: ${FOUND}; ${MODE}`]],
    [['connection: { host: db, dbname: a }', 'type: postgresql'], [`4:17: ${FOUND}; ${MODE}`]],
    [['connection: { host: db, dbname: a }', 'type: postgresql', 'mode: single_role'], []],
    ...['mariadb', 'rabbitmq'].map((type) => [
      ['connection: { host: db }', `type: ${type}`],
      [`4:17: ${FOUND}; a secret of type ${type} with connection needs admin_secret`],
    ]),
    [['connection: { host: db }', 'type: mysql'], []],
    [['connection: { host: db }', 'type: mysql', 'privileges: same'], []],
    [
      ['connection: { host: db }', 'type: mysql', 'privileges: read_only'],
      [`4:17: ${FOUND}; a secret of type mysql with connection and privileges: read_only needs admin_secret`],
    ],
    [['connection: { host: db }', 'type: mysql', 'privileges: read_only', 'admin_secret: root'], []],
    [['connection: { host: db }', 'type: redis'], []],
    [['connection: { host: db, dbname: a }', 'admin_secret: root'], []],
  ])('of %j', (lines, expected) => {
    expect(problems(lines)).toEqual(expected);
  });
});
