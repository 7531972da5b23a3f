import { describe, expect, it } from 'vitest';
import { updateRecord } from '../../../../shared/registry/update-record.ts';
import { withLease } from '../../../../shared/rotation/lease.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

/** Rotated once, the incumbent retired; what the record looks like when that died before it gave its lease back. */
async function diedAtTheEnd(holder: (versionId: string) => string) {
  const world = await RotationWorld.adopted();
  const { retirement } = await world.rotate(await world.due());
  if (retirement === undefined) throw new Error('the incumbent is to be retired');
  world.clock.advance(2 * 3600);
  await retire(retirement, world);
  await updateRecord(world.registry, SECRET, (record) =>
    withLease(record, holder(retirement.versionId), world.clock.now()),
  );
  return { world, retirement };
}

describe('a retirement that died once its credential was proved dead', () => {
  it('gives its lease back when it is run again, so that the next rotation need not wait for it', async () => {
    const { world, retirement } = await diedAtTheEnd((versionId) => `retire/${versionId}`);
    const before = await world.actions();
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
    const { lease, ledger } = await world.record();
    expect(lease).toBeUndefined();
    expect(ledger.map(({ state }) => state).sort()).toEqual(['current', 'retired']);
    expect(await world.actions()).toEqual(before);
    world.clock.advance(3 * 86_400);
    await world.rotate(await world.due());
    expect(await world.currentOpensTarget()).toBe(true);
  });

  it("leaves another's lease alone", async () => {
    const { world, retirement } = await diedAtTheEnd(() => 'somebody else');
    expect(await retire(retirement, world)).toEqual({ outcome: 'retired' });
    expect((await world.record()).lease?.holder).toBe('somebody else');
  });
});
