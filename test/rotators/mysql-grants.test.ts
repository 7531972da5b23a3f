import { describe, expect, it } from 'vitest';
import { InternalFault } from '../../shared/errors.ts';
import { nextSlot, passwordIdentity, slotsOf, userFor, userOf } from '../../shared/rotators/mysql/account-names.ts';
import { grantsIn, missing } from '../../shared/rotators/mysql/grants.ts';
import type { KnownCredential } from '../../shared/rotators/rotator.ts';

describe('a line of SHOW GRANTS', () => {
  const privilege = { kind: 'privilege', canGrant: false };

  it.each([
    ['nothing at all', 'GRANT USAGE ON *.* TO `a`@`%`', []],
    [
      'columns, each by itself',
      'GRANT SELECT (`a`, `b`), INSERT (`b`), DELETE ON `d`.`t` TO `a`@`%`',
      ['SELECT (`a`)', 'SELECT (`b`)', 'INSERT (`b`)', 'DELETE'].map((what) => ({ ...privilege, what, on: '`d`.`t`' })),
    ],
    [
      'names that look like the statement',
      "GRANT SELECT ON `a`` TO ``b`.`'x' ON (,` TO `u` ON `@`%`".replace('`u` ON `', '`u ON `'),
      [{ ...privilege, what: 'SELECT', on: "`a`` TO ``b`.`'x' ON (,`" }],
    ],
    [
      'a privilege to pass on, before the limits that MariaDB prints after it',
      "GRANT PROCESS ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*AB' WITH GRANT OPTION MAX_USER_CONNECTIONS 5",
      [{ ...privilege, what: 'PROCESS', on: '*.*', canGrant: true }],
    ],
    [
      'limits only',
      "GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED VIA ed25519 USING 'x GRANT OPTION' WITH MAX_USER_CONNECTIONS 5",
      [],
    ],
    [
      'the right to pass on alone',
      'GRANT USAGE ON `d`.* TO `a`@`%` WITH GRANT OPTION',
      [{ ...privilege, what: 'USAGE', on: '`d`.*', canGrant: true }],
    ],
    [
      'roles',
      'GRANT `r`@`%`,`s`@`%` TO `a`@`%` WITH ADMIN OPTION',
      ['`r`@`%`', '`s`@`%`'].map((what) => ({ kind: 'role', what, on: '', canGrant: true })),
    ],
    [
      'a partial revoke',
      'REVOKE INSERT ON `mysql`.* FROM `a`@`%`',
      [{ kind: 'revoke', what: 'INSERT', on: '`mysql`.*', canGrant: false }],
    ],
    [
      "another's name",
      "GRANT PROXY ON ''@'%' TO 'a'@'%' WITH GRANT OPTION",
      [{ kind: 'proxy', what: 'PROXY', on: "''@'%'", canGrant: true }],
    ],
    [
      'a routine',
      'GRANT EXECUTE ON PROCEDURE `d`.`p` TO `a`@`%`',
      [{ ...privilege, what: 'EXECUTE', on: 'PROCEDURE `d`.`p`' }],
    ],
    ['a default role, which the account has', 'SET DEFAULT ROLE `r` FOR `a`@`%`', []],
  ])('is read: %s', (_, line, expected) => {
    expect(grantsIn(line)).toEqual(expected);
  });

  it('is not passed over when it is of another form', () => {
    expect(() => grantsIn('DENY SELECT ON *.* TO `a`@`%`')).toThrow(InternalFault);
    expect(() => grantsIn('GRANT SELECT ON *.*')).toThrow(InternalFault);
  });

  it('is compared whole: what may be passed on is another', () => {
    const [plain, option] = ['', ' WITH GRANT OPTION'].map((end) =>
      grantsIn(`GRANT SELECT ON *.* TO \`a\`@\`%\`${end}`),
    );
    expect(missing(plain ?? [], option ?? [])).toHaveLength(1);
    expect(missing(plain ?? [], plain ?? [])).toEqual([]);
  });
});

describe('the names of two users', () => {
  const known = (...identities: readonly string[]): readonly KnownCredential[] =>
    identities.map((identity, index) => ({ identity, versionId: `v${index}`, state: 'retired' }));
  const next = (incumbent: string | undefined, ledger: readonly KnownCredential[], characters = 32) =>
    nextSlot({ incumbent, secretId: 'Prod/App', known: ledger, characters });

  it.each([
    ['one made by hand', 'app', known('app'), 'app_a'],
    ['the first', 'app_a', known('app', 'app_a'), 'app_b'],
    ['the second', 'app_b', known('app', 'app_a', 'app_b'), 'app_a'],
    ['the second, the base long forgotten', 'app_b', known('app_a', 'app_b'), 'app_a'],
    ['one made by hand that looks like the first', 'team_a', known('team_a'), 'team_a_a'],
    ['the first of that', 'team_a_a', known('team_a', 'team_a_a'), 'team_a_b'],
    ['one whose name the secret gave', 'prod_app_a', known('prod_app_a'), 'prod_app_b'],
    [
      'one that had two passwords before',
      'app',
      [{ identity: 'app@v0', versionId: 'v0', state: 'current' }] as const,
      'app_a',
    ],
    ['one that looks like a stranger in the ledger', 'x_a', known('x_a', 'y_b'), 'x_a_a'],
  ])('after %s', (_, incumbent, ledger, expected) => {
    expect(next(incumbent, ledger)).toBe(expected);
  });

  it('are made of the name of a secret that has no value', () => {
    expect(next(undefined, [])).toBe('prod_app_a');
    expect(userFor('9 Lives', 32)).toBe('app_9_lives');
  });

  it('stay apart, and take turns, when they are cut', () => {
    const long = 'x'.repeat(40);
    const [first, second] = slotsOf(long, 32);
    expect(first).toHaveLength(32);
    expect(slotsOf(`${long}y`, 32)).not.toContain(first);
    expect(next(first, known(long, first))).toBe(second);
    expect(next(second, known(long, first, second))).toBe(first);
  });

  it('and versions make identities, and come out of them again', () => {
    expect(passwordIdentity('a@b', 'v1')).toBe('a@b@v1');
    expect(userOf('a@b@v1', 'v1')).toBe('a@b');
    expect(userOf('a@b', 'v1')).toBe('a@b');
    expect(userOf('@v1', 'v1')).toBe('@v1');
  });
});
