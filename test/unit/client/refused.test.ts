import { describe, expect, it } from 'vitest';
import { ClientWorld } from './client-world.ts';

describe('a value that its target refuses', () => {
  it('is replaced by AWSCURRENT before any notice says so, for everybody at once', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    world.reader.promote('db', 'v2');
    world.reader.reads.length = 0;
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => secrets.reportRefused('db', 'v1')));
    expect(new Set(outcomes)).toEqual(new Set([true]));
    expect(world.reader.reads).toEqual(['db AWSCURRENT']);
    expect(secrets.current('db').versionId).toBe('v2');
    expect(await world.held()).toEqual(['v2']);
    expect(await secrets.reportRefused('db', 'v1')).toBe(true);
    expect(world.reader.reads).toHaveLength(1);
  });

  it('is looked into once in ten seconds', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    world.reader.reads.length = 0;
    expect(await secrets.reportRefused('db')).toBe(false);
    expect(await secrets.reportRefused('db')).toBe(false);
    expect(world.reader.reads).toHaveLength(1);
    await world.clock.pass(11);
    await secrets.reportRefused('db');
    expect(world.reader.reads).toHaveLength(2);
  });

  it('gives way to the candidate only where that is released to this process', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    await world.post({ released: 0 });
    expect(await secrets.reportRefused('db')).toBe(false);
    await world.clock.pass(11);
    await world.post();
    expect(await secrets.reportRefused('db')).toBe(true);
    await world.clock.pass(2);
    expect(world.table.given).toMatchObject([{ outcome: 'acknowledged', versionId: 'v2' }]);
  });

  it('is kept when nothing else proves itself, and nothing more than it is held', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    const proved: string[] = [];
    secrets.onReload('db', ({ versionId }) => {
      proved.push(versionId);
      return false;
    });
    world.reader.promote('db', 'v2');
    expect(await secrets.reportRefused('db')).toBe(false);
    expect(proved).toEqual(['v2']);
    expect(secrets.current('db').versionId).toBe('v1');
    expect(await world.held()).toEqual(['v1']);
  });

  it('is not replaced by a version that this process has left, which Rekey may be ending', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    secrets.onReload('db', () => true);
    await world.post();
    await world.clock.pass(5);
    world.reader.promote('db', 'v2');
    await world.post({ state: 'settled' });
    await world.clock.pass(5);
    world.reader.reads.length = 0;
    await secrets.reportRefused('db', 'v2');
    expect(world.reader.reads).toEqual(['db AWSCURRENT']);
    expect(secrets.current('db').versionId).toBe('v2');
  });

  it('is reported, and a fault on the way rejects nothing', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    world.link.before = async () => {
      throw new Error('no network');
    };
    expect(await secrets.reportRefused('db')).toBe(false);
    world.link.before = async () => undefined;
    await world.clock.pass(66);
    expect(world.table.uses[0]?.uses).toContainEqual({
      action: 'refused_by_target',
      reason: 'current',
      versionId: 'v1',
      count: 1,
    });
  });
});

describe('refresh', () => {
  it('takes what carries AWSCURRENT now, also where nobody posted a notice', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    world.reader.promote('db', 'v2');
    world.reader.reads.length = 0;
    await Promise.all(Array.from({ length: 100 }, () => secrets.refresh()));
    expect(world.reader.reads).toEqual(['db AWSCURRENT']);
    expect(secrets.current('db').versionId).toBe('v2');
  });

  it('does not leave a candidate that is being rolled out', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    await world.post();
    await world.clock.pass(5);
    await secrets.refresh();
    expect(secrets.current('db').versionId).toBe('v2');
  });
});
