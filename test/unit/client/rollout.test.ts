import { describe, expect, it } from 'vitest';
import type { Secrets } from '../../../client/secrets.ts';
import { ClientWorld } from './client-world.ts';

describe('a start', () => {
  it('holds whatever is current before it reads, then says which it read', async () => {
    const world = new ClientWorld();
    world.reader.onRead = async () => void world.link.calls.push('read');
    const secrets = await world.open();
    expect(world.link.taken()).toEqual(['notice', 'announce [*] @0', 'read', 'report [v1] @0']);
    expect(secrets.current('db').versionId).toBe('v1');
    expect(await world.held()).toEqual(['v1']);
  });

  it('reads again when the notice says another version than the label', async () => {
    const world = new ClientWorld();
    await world.post({ state: 'settled', versionId: 'v2' });
    const opening = world.open();
    await world.clock.pass(0.5);
    world.reader.promote('db', 'v2');
    await world.clock.pass(1);
    expect((await opening).current('db').versionId).toBe('v2');
  });

  it('takes what the label says when it stays where Rekey did not put it', async () => {
    const world = new ClientWorld();
    world.reader.put('db', 'by-hand');
    world.reader.promote('db', 'by-hand');
    await world.post({ state: 'settled', versionId: 'v2' });
    const opening = world.open();
    await world.clock.pass(10);
    expect((await opening).current('db').versionId).toBe('by-hand');
  });

  it('fails with a clear error and leaves nothing behind when a secret does not exist', async () => {
    const world = new ClientWorld();
    const opening = world.open(['db', 'nothing']);
    opening.catch(() => undefined);
    await world.clock.pass(10);
    await expect(opening).rejects.toMatchObject({
      name: 'SecretUnavailable',
      message: expect.stringContaining('nothing'),
    });
    expect(await world.held()).toEqual([]);
    expect(await world.table.consumers('nothing')).toEqual([]);
  });

  it('begins anew when the notice changes under it', async () => {
    const world = new ClientWorld();
    let changes = 1;
    world.link.before = async (call) => {
      if (call.startsWith('announce') && changes-- > 0) await world.post({ state: 'settled', versionId: 'v1' });
    };
    const secrets = await world.open();
    expect(world.link.taken()).toEqual(['notice', 'announce [*] @0', 'notice', 'announce [*] @1', 'report [v1] @1']);
    expect(secrets.current('db').versionId).toBe('v1');
  });
});

describe('a candidate', () => {
  it('is announced, proved, taken into use and acknowledged, in this order', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    secrets.onReload(
      'db',
      (value) => {
        world.link.calls.push(`prove ${value.versionId} beside ${secrets.current('db').versionId}`);
      },
      (value) => {
        world.link.calls.push(`activate ${value.versionId} beside ${secrets.current('db').versionId}`);
      },
    );
    world.link.taken();
    await world.post();
    await world.clock.pass(5);
    expect(world.link.taken()).toEqual([
      'notices',
      'announce [v1 v2] @1',
      'prove v2 beside v1',
      'activate v2 beside v2',
      'acknowledged [v2] @1',
    ]);
    expect(world.table.given).toMatchObject([
      { rotationId: 'v2', versionId: 'v2', consumerId: 'me', agent: 'billing' },
    ]);
  });

  it('is left alone until this consumer’s batch is released', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    await world.post({ bounds: ['0000', 'f'.repeat(16)], released: 1 });
    await world.clock.pass(5);
    expect(secrets.current('db').versionId).toBe('v1');
    expect(world.table.given).toEqual([]);
    await world.post({ bounds: ['0000', 'f'.repeat(16)], released: 2 });
    await world.clock.pass(1.1);
    expect(secrets.current('db').versionId).toBe('v2');
  });

  it('is asked for every second while a rollout is under way, and every five otherwise', async () => {
    const world = new ClientWorld();
    await world.open();
    world.link.taken();
    await world.clock.pass(10);
    expect(world.link.taken().filter((call) => call === 'notices')).toHaveLength(2);
    await world.post({ released: 0 });
    await world.clock.pass(5);
    world.link.taken();
    await world.clock.pass(10);
    expect(world.link.taken().filter((call) => call === 'notices')).toHaveLength(10);
  });

  it('is not used without a successful announcement', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    world.link.before = async (call) => {
      if (call.startsWith('announce')) throw new Error('no network');
    };
    await world.post();
    await world.clock.pass(20);
    expect(secrets.current('db').versionId).toBe('v1');
    expect(secrets.health().db).toMatchObject({ lastError: 'Error: no network' });
  });

  it('that is called back before it was announced is not used', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    await world.post();
    world.link.before = async (call) => {
      if (call.startsWith('announce [v1 v2] @1')) await world.post({ state: 'returning' });
    };
    await world.clock.pass(20);
    expect(secrets.current('db').versionId).toBe('v1');
    expect(await world.held()).toEqual(['v1']);
    expect(world.table.given).toEqual([]);
  });

  it.each([
    ['throws', () => Promise.reject(new TypeError('user-v2 may not log in with pw-v2\nat line 7'))],
    [
      'throws at once',
      () => {
        throw new TypeError('user-v2 may not log in with pw-v2');
      },
    ],
  ])('is refused when the check %s, in words without values', async (_, prove) => {
    const world = new ClientWorld();
    const secrets = await world.open();
    secrets.onReload('db', prove);
    await world.post();
    await world.clock.pass(5);
    expect(secrets.current('db').versionId).toBe('v1');
    expect(world.table.given).toMatchObject([
      { outcome: 'refused', said: 'TypeError: [redacted] may not log in with [redacted]' },
    ]);
    expect(await world.held()).toEqual(['v1']);
    await world.clock.pass(100);
    expect(world.table.given).toHaveLength(1);
  });

  it('is refused when the check answers false or takes longer than it may, which its signal tells it', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    const remove = secrets.onReload('db', () => false);
    await world.post();
    await world.clock.pass(5);
    remove();
    let aborted = false;
    secrets.onReload('db', async (_, { signal }) => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      await new Promise(() => undefined);
    });
    world.reader.put('db', 'v3');
    await world.post({ versionId: 'v3' });
    await world.clock.pass(32);
    expect(aborted).toBe(true);
    expect(world.table.given.map(({ versionId, said }) => [versionId, said])).toEqual([
      ['v2', 'ProofFailed: The check answered false.'],
      ['v3', 'ProofFailed: No answer within 30 seconds.'],
    ]);
  });

  it('waits when it cannot be read yet', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    await world.post({ versionId: 'v9' });
    await world.clock.pass(5);
    expect(world.table.given).toEqual([]);
    world.reader.put('db', 'v9');
    await world.clock.pass(1.1);
    expect(secrets.current('db').versionId).toBe('v9');
  });

  it('is acknowledged until the answer gets through', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    let faults = 3;
    world.link.before = async (call) => {
      if (call.startsWith('acknowledged') && faults-- > 0) throw new Error('no network');
    };
    await world.post();
    await world.clock.pass(5);
    expect(secrets.current('db').versionId).toBe('v2');
    expect(await world.held()).toEqual(['v1', 'v2']);
    await world.clock.pass(5);
    expect(world.table.given).toMatchObject([{ outcome: 'acknowledged' }]);
    expect(await world.held()).toEqual(['v2']);
  });

  it('that parts of the process could not take into use leaves both held, and is tried again', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    let faults = 1;
    secrets.onReload('db', undefined, () => {
      if (faults-- > 0) throw new Error('cannot build a pool');
    });
    await world.post();
    await world.clock.pass(5);
    expect(world.table.given).toMatchObject([{ outcome: 'refused', said: 'Error: cannot build a pool' }]);
    expect(await world.held()).toEqual(['v2', 'v1']);
    await world.clock.pass(12);
    expect(world.table.given.at(-1)).toMatchObject({ outcome: 'acknowledged' });
    expect(await world.held()).toEqual(['v2']);
  });

  it('is not taken by a process that reloads only when it starts', async () => {
    const world = new ClientWorld();
    const secrets = await world.open(['db'], { hotReload: false });
    await world.post();
    await world.clock.pass(10);
    world.reader.promote('db', 'v2');
    await world.post({ state: 'settled' });
    await world.clock.pass(70);
    expect(secrets.current('db').versionId).toBe('v1');
    expect(await world.held()).toEqual(['v1']);
    expect(world.table.given).toEqual([]);
  });
});

describe('going back', () => {
  async function onCandidate(): Promise<{ world: ClientWorld; secrets: Secrets<'db'> }> {
    const world = new ClientWorld();
    const secrets = await world.open();
    await world.post();
    await world.clock.pass(5);
    expect(secrets.current('db').versionId).toBe('v2');
    world.link.taken();
    return { world, secrets };
  }

  it('takes AWSCURRENT, proved, and says so', async () => {
    const { world, secrets } = await onCandidate();
    const proved: string[] = [];
    secrets.onReload('db', ({ versionId }) => void proved.push(versionId));
    await world.post({ state: 'returning' });
    await world.clock.pass(1.1);
    expect(world.link.taken()).toEqual(['notices', 'announce [v2 v1] @2', 'returned [v1] @2']);
    expect(proved).toEqual(['v1']);
    expect(secrets.current('db').versionId).toBe('v1');
  });

  it('waits while AWSCURRENT is still the one to leave', async () => {
    const { world, secrets } = await onCandidate();
    world.reader.promote('db', 'v2');
    await world.post({ state: 'returning' });
    await world.clock.pass(3);
    expect(secrets.current('db').versionId).toBe('v2');
    world.reader.promote('db', 'v1');
    await world.clock.pass(1.1);
    expect(secrets.current('db').versionId).toBe('v1');
  });

  it('stays, refuses and tries again when the old one does not prove itself', async () => {
    const { world, secrets } = await onCandidate();
    let faults = 1;
    secrets.onReload('db', () => faults-- <= 0);
    await world.post({ state: 'returning' });
    await world.clock.pass(1.1);
    expect(secrets.current('db').versionId).toBe('v2');
    expect(world.table.given.at(-1)).toMatchObject({ outcome: 'refused' });
    await world.clock.pass(12);
    expect(secrets.current('db').versionId).toBe('v1');
    expect(world.table.given.at(-1)).toMatchObject({ outcome: 'returned' });
  });

  it('means nothing to somebody who never had the candidate', async () => {
    const world = new ClientWorld();
    await world.open();
    world.link.taken();
    await world.post({ state: 'returning' });
    await world.clock.pass(5);
    expect(world.link.taken()).toEqual(['notices']);
  });
});

describe('a settled notice', () => {
  it('makes everybody take AWSCURRENT, also who was handed nothing before', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    world.reader.promote('db', 'v2');
    await world.post({ state: 'settled' });
    await world.clock.pass(5);
    expect(secrets.current('db').versionId).toBe('v2');
    expect(world.table.given).toMatchObject([{ outcome: 'acknowledged', rotationId: 'v2' }]);
    expect(await world.held()).toEqual(['v2']);
  });

  it('is taken by id while the label is read as it was before', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    await world.post({ state: 'settled' });
    await world.clock.pass(5);
    expect(secrets.current('db').versionId).toBe('v1');
    world.reader.promote('db', 'v2');
    await world.clock.pass(20);
    expect(secrets.current('db').versionId).toBe('v2');
  });

  it('is not proved twice by who acknowledged the candidate', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    let proofs = 0;
    secrets.onReload('db', () => void (proofs += 1));
    await world.post();
    await world.clock.pass(5);
    world.reader.promote('db', 'v2');
    await world.post({ state: 'settled' });
    await world.clock.pass(5);
    expect(proofs).toBe(1);
    expect(world.table.given).toHaveLength(1);
  });

  it('asks for a new proof of the same version when a reload was requested', async () => {
    const world = new ClientWorld();
    await world.post({ state: 'settled', versionId: 'v1' });
    const secrets = await world.open();
    let proofs = 0;
    secrets.onReload('db', () => void (proofs += 1));
    await world.clock.pass(5);
    expect(proofs).toBe(0);
    await world.post({ state: 'settled', versionId: 'v1', rotationId: 'request-7' });
    await world.clock.pass(5);
    expect(proofs).toBe(1);
    expect(world.table.given).toMatchObject([{ rotationId: 'request-7', versionId: 'v1', outcome: 'acknowledged' }]);
  });

  it('that fails its proof leaves the last good one in use, refuses, and tries again less and less often', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    let proofs = 0;
    secrets.onReload('db', () => (proofs += 1) > 4);
    world.reader.promote('db', 'v2');
    await world.post({ state: 'settled' });
    await world.clock.pass(5);
    expect([proofs, secrets.current('db').versionId]).toEqual([1, 'v1']);
    expect(await world.held()).toEqual(['v1']);
    await world.clock.pass(60);
    expect([proofs, secrets.current('db').versionId]).toEqual([3, 'v1']);
    await world.clock.pass(200);
    expect([proofs, secrets.current('db').versionId]).toEqual([5, 'v2']);
    expect(world.table.given.map(({ outcome }) => outcome)).toEqual([
      'refused',
      'refused',
      'refused',
      'refused',
      'acknowledged',
    ]);
  });

  it('that an old read shows again is not gone back to', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    await world.post();
    await world.clock.pass(5);
    const old = await world.table.notices(['db']);
    world.reader.promote('db', 'v2');
    await world.post({ state: 'settled' });
    await world.clock.pass(5);
    const read = world.table.notices.bind(world.table);
    world.table.notices = async () => old;
    await world.clock.pass(30);
    world.table.notices = read;
    await world.clock.pass(10);
    expect(secrets.current('db').versionId).toBe('v2');
    expect(world.table.given).toHaveLength(1);
  });
});

describe('secrets that belong together', () => {
  async function two(): Promise<ClientWorld> {
    const world = new ClientWorld();
    for (const version of ['k1', 'k2']) world.reader.put('key', version);
    world.reader.promote('key', 'k1');
    return world;
  }

  it('change in one step, and a snapshot has all of one instant', async () => {
    const world = await two();
    const secrets = await world.open(['db', 'key']);
    const before = secrets.snapshot();
    const seen: string[][] = [];
    const look = () => {
      const { db, key } = secrets.snapshot();
      seen.push([db.versionId, key.versionId]);
    };
    secrets.onReload('db', look, look);
    secrets.onReload('key', look, look);
    await world.post();
    await world.post({ secretId: 'key', versionId: 'k2' });
    await world.clock.pass(5);
    expect(seen).toEqual([
      ['v1', 'k1'],
      ['v1', 'k1'],
      ['v2', 'k2'],
      ['v2', 'k2'],
    ]);
    expect([before.db.versionId, before.key.versionId]).toEqual(['v1', 'k1']);
    expect(Object.isFrozen(before)).toBe(true);
    expect(secrets.snapshot()).toBe(secrets.snapshot());
  });

  it('change independently when one of them fails', async () => {
    const world = await two();
    const secrets = await world.open(['db', 'key']);
    secrets.onReload('key', () => false);
    await world.post();
    await world.post({ secretId: 'key', versionId: 'k2' });
    await world.clock.pass(5);
    const { db, key } = secrets.snapshot();
    expect([db.versionId, key.versionId]).toEqual(['v2', 'k1']);
  });

  it('fail together when they are proved together', async () => {
    const world = await two();
    const secrets = await world.open(['db', 'key']);
    const proved: string[][] = [];
    secrets.onReload(['db', 'key'], ({ db, key }) => void proved.push([db.versionId, key.versionId]));
    secrets.onReload('key', () => false);
    await world.post();
    await world.post({ secretId: 'key', versionId: 'k2' });
    await world.clock.pass(5);
    const { db, key } = secrets.snapshot();
    expect([db.versionId, key.versionId]).toEqual(['v1', 'k1']);
    expect(proved).toEqual([['v2', 'k2']]);
    expect(Object.fromEntries(world.table.given.map(({ secretId, said }) => [secretId, said]))).toEqual({
      db: 'ProofFailed: It belongs with "key".',
      key: 'ProofFailed: The check answered false.',
    });
  });
});
