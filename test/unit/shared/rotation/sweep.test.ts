import { describe, expect, it } from 'vitest';
import type { LedgerCredential } from '../../../../shared/registry/registry.ts';
import { updateRecord } from '../../../../shared/registry/update-record.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import type { RetirementInput } from '../../../../shared/rotation/payloads.ts';
import { retire } from '../../../../shared/rotation/retire.ts';
import { sweep } from '../../../../shared/rotation/sweep.ts';
import { ENVIRONMENT, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

const HOUR = 3600;

async function swept(world: RotationWorld, environment = ENVIRONMENT) {
  const started: RetirementInput[] = [];
  const names: string[] = [];
  const startRetirement = async (name: string, input: RetirementInput) => {
    if (names.includes(name)) return;
    names.push(name);
    started.push(input);
  };
  const { clock, registry, secretStore, auditTrail } = world;
  const result = await sweep({ clock, registry, secretStore, auditTrail, startRetirement }, environment);
  return { result, started, names };
}

const change = (world: RotationWorld, entries: readonly Partial<LedgerCredential>[]) =>
  updateRecord(world.registry, SECRET, (record) => ({
    ...record,
    ledger: record.ledger.map((entry, index) => ({ ...entry, ...entries[index] })),
  }));

/** Rotated once; the incumbent is in its grace period. */
async function rotated(): Promise<{ readonly world: RotationWorld; readonly retirement: RetirementInput }> {
  const world = await RotationWorld.adopted();
  const { retirement } = await world.rotate(await world.due());
  if (retirement === undefined) throw new Error('the incumbent is to be retired');
  return { world, retirement };
}

describe('the sweep', () => {
  it('finds nothing where every credential has somebody who ends it', async () => {
    const { world, retirement } = await rotated();
    expect(await swept(world)).toMatchObject({ result: { secrets: 1, orphans: 0, restarted: 0 }, started: [] });
    world.clock.advance(2 * HOUR);
    await retire(retirement, world);
    world.clock.advance(24 * HOUR);
    expect((await swept(world)).started).toEqual([]);
  });

  it('starts a retirement again that has been silent for hours, under a new name each time', async () => {
    const { world, retirement } = await rotated();
    world.clock.advance(HOUR + 149 * 60);
    expect((await swept(world)).started).toEqual([]);
    world.clock.advance(2 * 60);
    const { result, started, names } = await swept(world);
    expect(result).toEqual({ secrets: 1, orphans: 0, restarted: 1 });
    expect(started).toMatchObject([{ secretId: SECRET, versionId: retirement.versionId }]);
    world.clock.advance(3 * HOUR);
    expect((await swept(world)).names).not.toEqual(names);
    expect(await retire(started[0] as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(await world.unknownLogins()).toEqual([]);
  });

  it('leaves a debt alone that people were told of lately', async () => {
    const { world } = await rotated();
    world.clock.advance(10 * HOUR);
    await change(world, [{ owedSince: world.clock.now(), owedAlertAt: world.clock.now() }]);
    world.clock.advance(HOUR);
    expect((await swept(world)).started).toEqual([]);
  });

  it('takes in a candidate of a rotation that is over, writes it down once, and has it ended', async () => {
    const { world } = await rotated();
    const record = await world.record();
    const index = record.ledger.findIndex(({ state }) => state === 'current');
    const orphan = { identity: 'app_b', versionId: crypto.randomUUID() };
    world.target.accounts.set(orphan.identity, { password: 'lost', sessions: 0 });
    await updateRecord(world.registry, SECRET, (latest) => ({
      ...latest,
      ledger: [...latest.ledger, { ...latest.ledger[index], ...orphan, state: 'proposed' } as LedgerCredential],
    }));
    const { result, started } = await swept(world);
    expect(result).toEqual({ secrets: 1, orphans: 1, restarted: 0 });
    await swept(world);
    expect((await world.actions()).filter((action) => action.includes('orphan_found'))).toHaveLength(1);
    expect(await retire(started[0] as RetirementInput, world)).toEqual({ outcome: 'retired' });
    expect(world.target.loginNames()).not.toContain('app_b');
  });

  it('does not touch the candidate of a rotation that runs, nor one whose lease has run out', async () => {
    const world = await RotationWorld.adopted();
    await generate(await world.due(), world);
    expect((await swept(world)).started).toEqual([]);
    world.clock.advance(5 * HOUR);
    expect((await swept(world)).started).toEqual([]);
  });

  it('gives one of two current entries a grace period: the one without the label', async () => {
    const { world } = await rotated();
    await change(world, [{ state: 'current', retireAt: undefined }]);
    const { started } = await swept(world);
    expect(started).toHaveLength(1);
    const { versionId } = await world.current();
    expect(started[0]?.versionId).not.toBe(versionId);
    const { ledger } = await world.record();
    expect(ledger.map(({ state }) => state).sort()).toEqual(['current', 'grace']);
  });

  it('looks at its own environment only, and at all of it although one secret fails', async () => {
    const { world } = await rotated();
    world.clock.advance(5 * HOUR);
    expect((await swept(world, 'staging')).result).toEqual({ secrets: 0, orphans: 0, restarted: 0 });
    const { clock, registry, secretStore, auditTrail } = world;
    const startRetirement = async () => {
      throw new Error('Step Functions is away');
    };
    await expect(sweep({ clock, registry, secretStore, auditTrail, startRetirement }, ENVIRONMENT)).rejects.toThrow(
      '1 of 1 secrets could not be swept',
    );
  });
});
