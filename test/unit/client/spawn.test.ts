import { describe, expect, expectTypeOf, it } from 'vitest';
import type { SecretValue } from '../../../client/secret-value.ts';
import { spawn, type SpawnOptions } from '../../../client/spawn.ts';
import { ClientWorld } from './client-world.ts';

function optionsOf(world: ClientWorld, more: SpawnOptions = {}): SpawnOptions {
  const { clock, reader, link } = world;
  return { clock, reader, link, consumerId: 'me', random: () => 0.5, ...more };
}

function worldWith(...names: readonly string[]): ClientWorld {
  const world = new ClientWorld();
  for (const name of names) {
    world.reader.put(name, `${name}-1`);
    world.reader.put(name, `${name}-2`);
    world.reader.promote(name, `${name}-1`);
  }
  return world;
}

describe('spawn', () => {
  it('runs an action with its credential, counted under the action’s name', async () => {
    const world = worldWith('github_token');
    const agent = await spawn(
      {
        name: 'github_updater',
        role: 'repository_maintainer',
        credentials: { github_token: 'auto_fetch' },
        actions: [
          {
            name: 'fetch_releases',
            requires_auth: 'github_token',
            on_error: 'notify_admin',
            run: ({ credential, input }) => `${credential.versionId} for ${String(input)}`,
          },
        ],
      },
      optionsOf(world),
    );
    expect(await agent.run('fetch_releases', 'rekey')).toBe('github_token-1 for rekey');
    await agent.close();
    expect(world.table.uses).toMatchObject([{ agent: 'github_updater' }]);
    expect(world.table.uses[0]?.uses).toContainEqual({
      action: 'accessed',
      reason: 'fetch_releases',
      versionId: 'github_token-1',
      count: 1,
    });
  });

  it('takes required credentials as a list or as a map with access, and runs queries', async () => {
    const world = worldWith('pg_prod_main', 'pg_prod_backup', 'db_read');
    const list = await spawn(
      {
        name: 'reports',
        requires_credentials: ['pg_prod_main', 'pg_prod_backup'],
        actions: [{ name: 'query_transactions', query: 'SELECT 1', on_error: 'notify_security_team' }],
      },
      optionsOf(world, {
        runQuery: (query, { secrets }) => [query, secrets.use('pg_prod_backup').versionId],
      }),
    );
    expect(await list.run('query_transactions')).toEqual(['SELECT 1', 'pg_prod_backup-1']);
    const map = await spawn(
      {
        name: 'analyst',
        requires_credentials: { db_read: 'minimal' },
        actions: [
          {
            name: 'query_data',
            query: 'SELECT 2',
            require_approval: true,
            run: ({ query, secrets }) => [query, secrets.use('db_read').name],
          },
        ],
      },
      optionsOf(world, { approve: ({ action, input }) => action === 'query_data' && input === 'ok' }),
    );
    expect(await map.run('query_data', 'ok')).toEqual(['SELECT 2', 'db_read']);
    await expect(map.run('query_data', 'no')).rejects.toMatchObject({ name: 'NotApproved' });
  });

  it('fails clearly where an approval is needed and nobody can give one', async () => {
    const world = worldWith('a');
    const agent = await spawn(
      { name: 'x', credentials: { a: 'auto_fetch' }, actions: [{ name: 'y', require_approval: true, run: () => 1 }] },
      optionsOf(world),
    );
    await expect(agent.run('y')).rejects.toThrow(/needs an approval: pass spawn an "approve" function/);
  });

  it('looks for another value once when the target refuses one, and runs the action once more', async () => {
    const world = worldWith('a');
    const seen: string[] = [];
    const agent = await spawn(
      {
        name: 'x',
        credentials: { a: 'auto_fetch' },
        actions: [
          {
            name: 'y',
            requires_auth: 'a',
            run: ({ credential }) => {
              seen.push(credential.versionId);
              throw Object.assign(new Error('Bad credentials'), { status: 401 });
            },
          },
        ],
      },
      optionsOf(world),
    );
    world.reader.promote('a', 'a-2');
    await expect(agent.run('y')).rejects.toMatchObject({ status: 401 });
    expect(seen).toEqual(['a-1', 'a-2']);
    await expect(agent.run('y')).rejects.toMatchObject({ status: 401 });
    expect(seen).toEqual(['a-1', 'a-2', 'a-2']);
  });

  it('tells whoever on_error names, without values, and throws what the action threw', async () => {
    const world = worldWith('a');
    const told: unknown[] = [];
    const fault = new TypeError('pw-a-1 is not a token');
    const agent = await spawn(
      {
        name: 'x',
        credentials: { a: 'auto_fetch' },
        actions: [
          { name: 'y', requires_auth: 'a', on_error: 'notify_security_team', run: () => Promise.reject(fault) },
          { name: 'quiet', run: () => Promise.reject(fault) },
        ],
      },
      optionsOf(world, {
        onNotify: (notification) => {
          told.push(notification);
          throw new Error('no pager');
        },
      }),
    );
    await expect(agent.run('y')).rejects.toBe(fault);
    await expect(agent.run('quiet')).rejects.toBe(fault);
    expect(told).toEqual([
      { to: 'security_team', agent: 'x', action: 'y', error: 'TypeError: [redacted] is not a token' },
    ]);
    await agent.close();
    const failed = world.table.uses.flatMap(({ uses }) => uses).filter(({ action }) => action === 'action_failed');
    expect(failed).toEqual([{ action: 'action_failed', reason: 'y', versionId: 'a-1', count: 1 }]);
  });

  it.each([
    [
      'an action twice',
      [
        { name: 'y', run: () => 1 },
        { name: 'y', run: () => 2 },
      ],
    ],
    ['an action with nothing to run', [{ name: 'y' }]],
    ['a query that nobody runs', [{ name: 'y', query: 'SELECT 1' }]],
  ])('refuses %s', async (_, actions) => {
    const world = worldWith('a');
    const spawning = spawn({ name: 'x', credentials: { a: 'auto_fetch' }, actions }, optionsOf(world));
    await expect(spawning).rejects.toMatchObject({ name: 'AgentMisdeclared' });
    expect(world.link.calls).toEqual([]);
  });

  it('knows at compile time which credentials and actions there are', async () => {
    const world = worldWith('a', 'b');
    const agent = await spawn(
      {
        name: 'x',
        credentials: { a: 'auto_fetch' },
        requires_credentials: ['b'],
        actions: [
          {
            name: 'with',
            requires_auth: 'a',
            run: ({ credential, secrets }) => {
              expectTypeOf(credential).toEqualTypeOf<SecretValue>();
              expectTypeOf(secrets.use).parameter(0).toEqualTypeOf<'a' | 'b'>();
              return credential.name;
            },
          },
          {
            name: 'without',
            run: ({ credential, secrets }) => {
              // @ts-expect-error -- "c" is none of its credentials
              expect(() => secrets.use('c')).toThrow(expect.objectContaining({ name: 'SecretUnavailable' }));
              return credential;
            },
          },
        ],
      },
      optionsOf(world),
    );
    expectTypeOf(agent.run).parameter(0).toEqualTypeOf<'with' | 'without'>();
    expectTypeOf<Parameters<typeof agent.secrets.current>[0]>().toEqualTypeOf<'a' | 'b'>();
    expect(await agent.run('with')).toBe('a');
    await expect(agent.run('without')).rejects.toMatchObject({ name: 'AgentMisdeclared' });
    const misdeclared = spawn(
      {
        name: 'x',
        credentials: { a: 'auto_fetch' },
        // @ts-expect-error -- "c" is none of its credentials
        actions: [{ name: 'y', requires_auth: 'c', run: () => 1 }],
      },
      optionsOf(world),
    );
    await expect(misdeclared).rejects.toMatchObject({ name: 'AgentMisdeclared' });
    // @ts-expect-error -- there is no such action
    await expect(agent.run('nothing')).rejects.toMatchObject({ name: 'AgentMisdeclared' });
  });
});
