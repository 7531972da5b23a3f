import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { IncumbentRefused } from '../../shared/errors.ts';
import { ApiKeyHarness } from './api-key-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

let harness: ApiKeyHarness;
let made = 0;
beforeAll(async () => {
  harness = await ApiKeyHarness.start();
});
afterAll(() => harness?.stop());

/** A secret whose key the ledger has since a rotation; what the provider said of its end. */
async function rotated(expiresAt: Date | undefined) {
  made += 1;
  const adopted = await harness.adopt(`end${made}`);
  const rotations = new RotationByHand(harness.rotator(systemClock), adopted);
  await rotations.rotate();
  const { versionId, value } = rotations.current;
  const identity = rotations.known.find((entry) => entry.versionId === versionId)?.identity ?? '';
  const known = rotations.known.map((entry) => (entry.versionId === versionId ? { ...entry, expiresAt } : entry));
  const values = { settings: rotations.settings, admin: adopted.admin, incumbent: value };
  const preflight = () =>
    rotations.rotator.preflight({ ...values, versionId: 'v1', incumbentVersionId: versionId, known });
  return { rotations, values, versionId, identity, known, preflight };
}

const past = () => new Date(Date.now() - 1);
const future = () => new Date(Date.now() + 3600_000);

describe('a key that the provider refuses', () => {
  it('and that has ended by itself, stops no rotation, although the provider lists it no more', async () => {
    const expiresAt = past();
    const { identity, preflight } = await rotated(expiresAt);
    harness.server.delete(identity);
    const { incumbent, facts } = await preflight();
    expect(incumbent).toBe(identity);
    expect(facts['incumbent']).toBe(
      `refused: it ended by itself at ${expiresAt.toISOString()}, and this rotation replaces it`,
    );
  });

  it.each([
    ['before its end', future],
    ['and has no end', () => undefined],
  ])('%s, stops a rotation', async (_, end) => {
    const { identity, preflight } = await rotated(end());
    harness.server.delete(identity);
    await expect(preflight()).rejects.toBeInstanceOf(IncumbentRefused);
  });

  it('must go on for no other key, once it has ended by itself', async () => {
    for (const expiresAt of [future(), past()]) {
      const { rotations, values, versionId, identity, known } = await rotated(expiresAt);
      const brought = await rotations.bringIn();
      harness.server.delete(identity);
      const candidate = rotations.known.find((entry) => entry.versionId === brought.versionId);
      const run = rotations.rotator.retire({
        settings: values.settings,
        admin: values.admin,
        identity: candidate?.identity ?? '',
        versionId: brought.versionId,
        value: brought.value,
        survivor: values.incumbent,
        survivorVersionId: versionId,
        known,
      });
      if (expiresAt > new Date()) await expect(run).rejects.toBeInstanceOf(IncumbentRefused);
      else expect(await run).toMatchObject({ refusedLogin: true, facts: { key: 'deleted' } });
      expect(await rotations.probe(brought.value)).toBe(expiresAt > new Date() ? 'accepted' : 'refused');
    }
  });
});
