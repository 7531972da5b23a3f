import { describe, expect, it } from 'vitest';
import type { Secrets } from '../../../client/secrets.ts';
import { ClientWorld } from './client-world.ts';

const HOUR = 3600;

async function cutOff(): Promise<{
  world: ClientWorld;
  secrets: Secrets<'db'>;
  heal: () => void;
}> {
  const world = new ClientWorld();
  const secrets = await world.open();
  world.link.before = async () => {
    throw new Error('no network');
  };
  return { world, secrets, heal: () => void (world.link.before = async () => undefined) };
}

describe('a process that is cut off', () => {
  it('goes on with the last good value until its bound, then throws, and begins anew when contact is back', async () => {
    const { world, secrets, heal } = await cutOff();
    await world.clock.pass(HOUR - 1);
    expect(secrets.current('db').versionId).toBe('v1');
    expect(secrets.health().db).toMatchObject({ versionId: 'v1', lastError: 'Error: no network' });
    expect(secrets.health().db.errors).toBeGreaterThan(100);
    await world.clock.pass(2);
    expect(() => secrets.current('db')).toThrow(expect.objectContaining({ name: 'SecretStale' }));
    expect(() => secrets.snapshot()).toThrow(expect.objectContaining({ name: 'SecretStale' }));
    expect(secrets.health().db.versionId).toBeUndefined();
    world.reader.promote('db', 'v2');
    heal();
    world.link.taken();
    await world.clock.pass(6);
    expect(world.link.taken()).toEqual(['notices', 'notice', 'announce [*] @0', 'report [v2] @0']);
    expect(secrets.current('db').versionId).toBe('v2');
  });

  it('counts from the start of the last word that got through, not from its end', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    world.link.after = async (call) => {
      if (call.startsWith('report')) await world.clock.sleep(50_000);
    };
    await world.clock.pass(61);
    world.link.before = async () => {
      throw new Error('no network');
    };
    await world.clock.pass(50);
    expect(secrets.health().db.confirmedSeconds).toBeCloseTo(51, -1);
  });

  it('does not revive a value by a word that gets through after the bound', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    let release: () => void = () => undefined;
    world.link.after = async (call) => {
      if (!call.startsWith('report')) return;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    };
    await world.clock.pass(HOUR + 1);
    world.link.after = async () => undefined;
    world.link.before = async (call) => {
      if (!call.startsWith('report')) throw new Error('no network');
    };
    release();
    await world.clock.pass(1);
    expect(() => secrets.current('db')).toThrow(expect.objectContaining({ name: 'SecretStale' }));
  });

  it('throws at once after the machine slept or a Lambda was frozen for longer than the bound', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    world.clock.freeze(HOUR + 1);
    expect(() => secrets.current('db')).toThrow(expect.objectContaining({ name: 'SecretStale' }));
  });

  it('throws although its clock was set back', async () => {
    const { world, secrets } = await cutOff();
    await world.clock.pass(60);
    world.clock.skew = -10 * HOUR * 1000;
    await world.clock.pass(HOUR);
    expect(() => secrets.current('db')).toThrow(expect.objectContaining({ name: 'SecretStale' }));
  });

  it('does not take into use what it announced before it was frozen', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    let finish: () => void = () => undefined;
    secrets.onReload('db', () => new Promise<void>((resolve) => void (finish = resolve)));
    await world.post();
    await world.clock.pass(5);
    world.clock.freeze(HOUR + 100);
    finish();
    await world.clock.pass(0.001);
    expect(() => secrets.current('db')).toThrow(expect.objectContaining({ name: 'SecretStale' }));
    expect(world.table.given).toEqual([]);
  });

  it('keeps the check of its own when it begins anew', async () => {
    const { world, secrets, heal } = await cutOff();
    let isGood = false;
    const activated: string[] = [];
    secrets.onReload(
      'db',
      () => isGood,
      ({ versionId }) => void activated.push(versionId),
    );
    await world.clock.pass(HOUR + 1);
    heal();
    await world.clock.pass(10);
    expect(() => secrets.current('db')).toThrow(expect.objectContaining({ name: 'SecretStale' }));
    isGood = true;
    await world.clock.pass(20);
    expect(secrets.current('db').versionId).toBe('v1');
    expect(activated).toEqual(['v1']);
  });
});

describe('signs of life', () => {
  it('say every minute what is held', async () => {
    const world = new ClientWorld();
    await world.open();
    world.link.taken();
    await world.clock.pass(300);
    const reports = world.link.taken().filter((call) => call.startsWith('report'));
    expect(reports.length).toBeGreaterThanOrEqual(4);
    expect(new Set(reports)).toEqual(new Set(['report [v1] @0']));
  });

  it('go on while a check takes its time, and never say less than is held', async () => {
    const world = new ClientWorld();
    const secrets = await world.open(['db'], { proveSeconds: 300 });
    secrets.onReload('db', () => new Promise(() => undefined));
    await world.post();
    await world.clock.pass(5);
    world.link.taken();
    await world.clock.pass(130);
    expect(world.link.taken().filter((call) => call.startsWith('report'))).toEqual([
      'report [v1 v2] @1',
      'report [v1 v2] @1',
    ]);
  });
});

describe('ready, for Lambda', () => {
  it('resolves without a call when everything was confirmed recently', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    await world.clock.pass(5);
    world.link.taken();
    await secrets.ready();
    expect(world.link.taken()).toEqual([]);
  });

  it('does after a freeze what the timers could not, once for all who wait', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    await world.clock.pass(5);
    world.clock.freeze(1800);
    world.reader.promote('db', 'v2');
    await world.post({ state: 'settled' });
    world.link.taken();
    await Promise.all(Array.from({ length: 100 }, () => secrets.ready()));
    expect(secrets.current('db').versionId).toBe('v2');
    expect(world.link.taken()).toEqual(['notices', 'announce [v1 v2] @1', 'acknowledged [v2] @1']);
  });

  it('begins anew after a freeze beyond the bound, and throws where AWS cannot be reached', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    world.clock.freeze(2 * HOUR);
    await secrets.ready();
    expect(secrets.current('db').versionId).toBe('v1');
    world.clock.freeze(2 * HOUR);
    world.link.before = async () => {
      throw new Error('no network');
    };
    await expect(secrets.ready()).rejects.toMatchObject({ name: 'SecretStale' });
  });
});

describe('close', () => {
  it('signs off, hands in what was counted and stops', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    secrets.current('db');
    await secrets.close();
    await secrets.close();
    expect(await world.table.consumers('db')).toEqual([]);
    expect(world.table.uses).toHaveLength(1);
    world.link.taken();
    await world.clock.pass(200);
    expect(world.link.taken()).toEqual([]);
    expect(() => secrets.current('db')).toThrow(expect.objectContaining({ name: 'SecretsClosed' }));
  });

  it('takes five seconds at most', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    world.link.before = () => new Promise(() => undefined);
    let isClosed = false;
    void secrets.close().then(() => (isClosed = true));
    await world.clock.pass(4.9);
    expect(isClosed).toBe(false);
    await world.clock.pass(0.2);
    expect(isClosed).toBe(true);
  });
});

describe('the poller', () => {
  it('is one for everybody in the process who has the same link', async () => {
    const world = new ClientWorld();
    world.reader.put('key', 'k1');
    world.reader.promote('key', 'k1');
    const asked: string[][] = [];
    const read = world.table.notices.bind(world.table);
    world.table.notices = async (names) => {
      asked.push([...names]);
      return read(names);
    };
    const first = await world.open(['db']);
    await world.open(['key', 'db'], { consumerId: 'other' });
    await world.clock.pass(10);
    expect(asked).toEqual([
      ['db', 'key'],
      ['db', 'key'],
    ]);
    await first.close();
    await world.clock.pass(5);
    expect(asked.at(-1)).toEqual(['key', 'db']);
  });
});
