import { describe, expect, it } from 'vitest';
import { UseLedger } from '../../../client/use-ledger.ts';
import type { UseReport } from '../../../shared/rollout/consumer.ts';
import { ClientWorld } from './client-world.ts';

const sender = { secretId: 'db', consumerId: 'me', agent: 'billing', host: 'here', ipAddress: '' };
const use = { action: 'accessed', reason: 'nightly', versionId: 'v1', count: 1 };

describe('reports of uses', () => {
  it('say each minute what was done, what for and with which version', async () => {
    const world = new ClientWorld();
    const secrets = await world.open();
    for (let time = 0; time < 1000; time += 1) secrets.current('db');
    secrets.use('db', 'fetch_releases');
    secrets.use('db', 'fetch_releases with pw-v1');
    await world.post();
    await world.clock.pass(10);
    secrets.current('db');
    await world.clock.pass(60);
    expect(world.table.uses).toMatchObject([{ number: 1, dropped: 0, agent: 'billing', consumerId: 'me' }]);
    expect(world.table.uses[0]?.uses).toEqual([
      { action: 'fetched', reason: 'startup', versionId: 'v1', count: 1 },
      { action: 'accessed', reason: 'fetch_releases', versionId: 'v1', count: 1 },
      { action: 'accessed', reason: 'fetch_releases with [redacted]', versionId: 'v1', count: 1 },
      { action: 'fetched', reason: 'rollout', versionId: 'v2', count: 1 },
      { action: 'accessed', reason: 'current', versionId: 'v1', count: 1000 },
      { action: 'accessed', reason: 'current', versionId: 'v2', count: 1 },
    ]);
    await world.clock.pass(120);
    expect(world.table.uses).toHaveLength(1);
  });

  it('hold fifty kinds; the rest is a number', async () => {
    const ledger = new UseLedger(sender, () => new Date(0));
    for (let kind = 0; kind < 60; kind += 1) ledger.count({ ...use, reason: `reason ${kind}`, count: 2 });
    ledger.count({ ...use, reason: 'reason 7' });
    const sent: UseReport[] = [];
    await ledger.flush(async (report) => void sent.push(report));
    expect(sent).toMatchObject([{ number: 1, dropped: 20 }]);
    expect(sent[0]?.uses).toHaveLength(50);
    expect(sent[0]?.uses[7]).toMatchObject({ count: 3 });
  });

  it('that cannot be sent are kept, ten of them, and the gap and a number say what was lost', async () => {
    let minute = 0;
    const ledger = new UseLedger(sender, () => new Date(minute * 60_000));
    const fail = () => Promise.reject(new Error('no network'));
    for (minute = 1; minute <= 13; minute += 1) {
      ledger.count({ ...use, count: minute });
      await expect(ledger.flush(fail)).rejects.toThrow('no network');
    }
    const sent: UseReport[] = [];
    await ledger.flush(async (report) => void sent.push(report));
    expect(sent.map(({ number }) => number)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(sent[0]).toMatchObject({ dropped: 1 + 2 + 3, from: new Date(0) });
    await ledger.flush(async (report) => void sent.push(report));
    expect(sent).toHaveLength(10);
  });
});
