import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CandidateUnproven,
  IncumbentRefused,
  Misconfigured,
  OrphanInDoubt,
  SameAsSurvivor,
  StillAlive,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { fits } from '../../shared/rotators/api-key/find-key.ts';
import { attemptOf, nameOfAttempt } from '../../shared/rotators/api-key/key-names.ts';
import type { KnownCredential, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import type { OpenAIServerOptions, Place } from '../providers/openai-server.ts';
import { ApiKeyHarness, keyOf } from './api-key-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

let harness: ApiKeyHarness;
let made = 0;

beforeAll(async () => {
  harness = await ApiKeyHarness.start();
});
afterAll(() => harness.stop());

async function adopt(incumbent?: (place: Place) => string, settings: Partial<RotatorSettings> = {}, at = harness) {
  made += 1;
  const clock = new ManualClock(new Date().toISOString());
  const rotator = at.rotator(clock);
  const adopted = await at.adopt(`life${made}`, incumbent);
  const rotations = new RotationByHand(rotator, adopted, settings);
  const world = at.world(adopted.name);
  const living = () => at.server.living(world).filter(({ id }) => !world.foreign.includes(id));
  const retiring = { settings: rotations.settings, admin: adopted.admin, versionId: 'v0', survivor: undefined };
  return { clock, adopted, rotator, rotations, world, living, retiring };
}

/** A server with other habits, for one test. */
async function withServer(options: OpenAIServerOptions, run: (other: ApiKeyHarness) => Promise<void>): Promise<void> {
  const other = await ApiKeyHarness.start(options);
  try {
    await run(other);
  } finally {
    await other.stop();
  }
}

describe("the adopted key's id", () => {
  it('is found by the visible characters of its value, and the key is deleted at its retirement', async () => {
    const { rotations, living } = await adopt();
    const [incumbent] = living();
    const preflight = await rotations.preflight('v1');
    expect(preflight.incumbent).toBe(incumbent?.id);
    await rotations.rotate();
    expect(living().map(({ id }) => id)).not.toContain(incumbent?.id);
    expect(living()).toHaveLength(1);
  });

  it('is taken from key_id, where the visible characters do not contradict it', async () => {
    await withServer({ redact: () => 'sk-...' }, async (other) => {
      let id = '';
      const { rotations } = await adopt(
        (place) => {
          const key = other.server.mint(place);
          id = key.id;
          return JSON.stringify({ api_key: key.value, key_id: key.id });
        },
        {},
        other,
      );
      expect((await rotations.preflight('v1')).incumbent).toBe(id);
      const { value } = await rotations.rotate();
      expect(JSON.parse(value.reveal()).key_id).not.toBe(id);
      await rotations.rotate();
    });
  });

  it('of another key stops before any effect', async () => {
    const { rotations } = await adopt((place) => {
      const [key, other] = [harness.server.mint(place), harness.server.mint(place)];
      return JSON.stringify({ api_key: key.value, key_id: other.id });
    });
    await expect(rotations.preflight('v1')).rejects.toThrow(/id of another key/);
    const nowhere = await adopt((place) =>
      JSON.stringify({ api_key: harness.server.mint(place).value, key_id: 'key_nowhere' }),
    );
    await expect(nowhere.rotations.preflight('v1')).rejects.toThrow(/is no key of the service account/);
  });

  it.each([
    [
      'several keys look the same',
      (server: ApiKeyHarness['server']) => (place: Place) => {
        server.mint(place, { value: 'sk-aaaa-one-zzzz' });
        return server.mint(place, { value: 'sk-aaaa-two-zzzz' }).value;
      },
    ],
    [
      'it belongs to a user',
      (server: ApiKeyHarness['server']) =>
        ({ project }: Place) =>
          server.mint({ project }).value,
    ],
  ])('that cannot be told stops before any effect, and says what to write, where %s', async (_, incumbent) => {
    const { rotations } = await adopt(incumbent(harness.server));
    const error = rotations.preflight('v1');
    await expect(error).rejects.toBeInstanceOf(Misconfigured);
    await expect(error).rejects.toThrow(/"key_id"/);
  });

  it('is found by masks of other kinds', () => {
    const value = new SecretText('sk-proj-abcdefghijklmnop-wxyz');
    for (const redacted of [
      'sk-...wxyz',
      'sk-proj-****************wxyz',
      'sk-proj-abc…wxyz',
      '...xyz',
      'sk-••••wxyz',
    ]) {
      expect(fits(redacted, value)).toBe(true);
    }
    for (const redacted of ['sk-...wxyy', 'sk-svc...wxyz', '...awxyz']) expect(fits(redacted, value)).toBe(false);
    for (const redacted of ['sk-...', 'sk-...yz', '', '***', 'sk-proj-abcdefghijklmnop-wxyz', 'a...b...c']) {
      expect(fits(redacted, value)).toBeUndefined();
    }
    // Start and end may not be the same characters of a short value.
    expect(fits('sk-ab...abc', new SecretText('sk-abc'))).toBe(false);
  });
});

describe('a key whose answer was lost', () => {
  it('is found by its exact name and owner only, on any page of the list', async () => {
    const { rotations, living, world } = await adopt();
    const { server } = harness;
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    for (let count = 0; count < 250; count += 1) server.mint(world, { name: `filler ${count}` });
    const lost = await rotations.issue('v1', preflight, undefined, { lost: true });
    const others = [
      'rekey v1 2 ',
      'rekey v1 02',
      'rekey v1',
      'rekey v11 1',
      'Rekey v1 1',
      'x rekey v1 1',
      'rekey v1 9',
      'rekey v1 1.0',
    ];
    const kept = others.map((name) => server.mint(world, { name }).id);
    const neighbours = server.mint({ project: world.project }, { name: 'rekey v1 1' }).id;
    const value = await rotations.issue('v1', preflight);
    expect(server.isAlive(keyOf(lost))).toBe(false);
    expect(living().map(({ id }) => id)).toEqual(expect.arrayContaining(kept));
    expect(server.key(neighbours)).toBeDefined();
    await harness.use(value);
  });

  it('that arrives late is removed when the version is retired', async () => {
    const { rotations, living, world } = await adopt();
    const first = await rotations.preflight('v1');
    rotations.journal('v1', first);
    await rotations.issue('v1', first, undefined, { lost: true });
    const value = await rotations.issue('v1', first);
    // The provider took its time over the first request.
    const late = harness.server.mint(world, { name: nameOfAttempt('v1', 1) });
    rotations.promote({ versionId: 'v1', value, preflight: first });
    const second = await rotations.bringIn('v2');
    const report = await rotations.retire(rotations.promote(second));
    expect(report.facts['removed_from_lost_attempts']).toBe(late.id);
    expect(living()).toHaveLength(2); // The adopted one, and the current one.
  });

  it('of a later attempt than the one that was stored is removed once the version is in its grace period', async () => {
    const { rotator, retiring, adopted, rotations, world, living } = await adopt();
    const { versionId, value } = await rotations.bringIn('v1');
    const late = harness.server.mint(world, { name: nameOfAttempt('v1', 2) });
    const issuance = { since: new Date(), existing: [], attempts: 2 };
    const { key_id: identity } = JSON.parse(value.reveal());
    const known: KnownCredential[] = [{ identity, versionId, state: 'grace', issuance }];
    const input = { ...retiring, versionId, identity, value, survivor: adopted.incumbent, known };
    expect(await rotator.retire(input)).toMatchObject({ facts: { removed_from_lost_attempts: late.id } });
    expect(living()).toHaveLength(1);
  });

  it('is not taken for the one of a later attempt that goes on: two tries at once', async () => {
    const { rotations, rotator, retiring, adopted } = await adopt();
    const preflight = await rotations.preflight('v1');
    rotations.journal('v1', preflight);
    const value = { settings: rotations.settings, admin: adopted.admin, incumbent: adopted.incumbent };
    const issuance = { since: new Date(), existing: [], attempts: 2 };
    const input = { ...value, versionId: 'v1', startedAt: new Date(), candidate: preflight.candidate, known: [] };
    const late = await rotator.issue({ ...input, issuance });
    const early = await rotator.issue({ ...input, issuance: { ...issuance, attempts: 1 } });
    expect(harness.server.isAlive(keyOf(late.value))).toBe(true);
    const known: KnownCredential[] = [{ identity: early.identity, versionId: 'v1', state: 'proposed', issuance }];
    await rotator.retire({ ...retiring, versionId: 'v1', identity: early.identity, value: early.value, known });
    expect(harness.server.isAlive(keyOf(early.value))).toBe(false);
    await harness.use(late.value);
  });

  it('has a name that is exactly one that Rekey gives', () => {
    expect(attemptOf(nameOfAttempt('v', 12), 'v')).toBe(12);
    for (const name of [
      'rekey v 0',
      'rekey v -1',
      'rekey v 1e1',
      'rekey v ',
      'rekey v  1',
      'rekey v 1 ',
      'rekey w 1',
      'rekey v Infinity',
    ]) {
      expect(attemptOf(name, 'v')).toBeUndefined();
    }
  });
});

describe('retirement', () => {
  it('never deletes the key that must go on, nor any while that one is refused', async () => {
    const { rotator, rotations, retiring, adopted, living } = await adopt();
    const brought = await rotations.bringIn();
    const { api_key: value, key_id: survivorId } = JSON.parse(brought.value.reveal());
    const [incumbent] = living();
    const identity = incumbent?.id ?? '';
    const input = { ...retiring, identity, value: adopted.incumbent };
    await expect(rotator.retire({ ...input, survivor: adopted.incumbent })).rejects.toBeInstanceOf(SameAsSurvivor);
    await expect(rotator.retire({ ...input, identity: survivorId, survivor: brought.value })).rejects.toBeInstanceOf(
      SameAsSurvivor,
    );
    const plain = { ...input, identity: survivorId, survivor: new SecretText(value) };
    await expect(rotator.retire(plain)).rejects.toBeInstanceOf(OrphanInDoubt);
    await expect(rotator.retire({ ...plain, value: undefined })).rejects.toBeInstanceOf(OrphanInDoubt);
    harness.server.delete(survivorId);
    await expect(rotator.retire({ ...input, survivor: brought.value })).rejects.toBeInstanceOf(IncumbentRefused);
    await harness.use(adopted.incumbent);
  });

  it('never deletes a key of another owner, whatever the journal says', async () => {
    const { rotator, retiring, world } = await adopt();
    for (const identity of world.foreign.slice(1)) {
      expect(await rotator.retire({ ...retiring, identity, value: undefined })).toMatchObject({
        facts: { key: 'it was gone' },
      });
      expect(harness.server.key(identity)).toBeDefined();
    }
  });

  it('does not call dead what the API still takes, and waits for a deletion that spreads', async () => {
    await withServer({ deletedSeconds: 15 }, async (other) => {
      const { rotations } = await adopt(undefined, {}, other);
      expect(await rotations.retire(rotations.promote(await rotations.bringIn()))).toMatchObject({
        refusedLogin: true,
      });
    });
    await withServer({ deletedSeconds: 90 }, async (other) => {
      const { rotations, clock } = await adopt(undefined, {}, other);
      const replaced = rotations.promote(await rotations.bringIn());
      await expect(rotations.retire(replaced)).rejects.toBeInstanceOf(StillAlive);
      clock.advance(90);
      expect(await rotations.retire(replaced)).toMatchObject({ refusedLogin: true, facts: { key: 'it was gone' } });
    });
    // A key that is alive somewhere else, whatever the list says.
    const { rotator, retiring, adopted } = await adopt();
    const gone = { ...retiring, identity: 'key_nowhere', value: adopted.incumbent };
    await expect(rotator.retire(gone)).rejects.toBeInstanceOf(StillAlive);
  });

  it('finds a stored key that has only its preliminary identity', async () => {
    const { rotations, rotator, retiring, living } = await adopt();
    const { value } = await rotations.bringIn('v1');
    const input = { ...retiring, versionId: 'v1', identity: 'key for v1', value };
    expect(await rotator.retire(input)).toMatchObject({ refusedLogin: true, facts: { key: 'deleted' } });
    expect(living()).toHaveLength(1);
  });
});

describe('proof of the candidate', () => {
  it('waits for a new key that is not known everywhere yet', async () => {
    await withServer({ newSeconds: 3 }, async (other) => {
      const { rotations, clock } = await adopt(undefined, { healthyThreshold: 3 }, other);
      clock.advance(3);
      const brought = await rotations.bringIn();
      expect(await rotations.probe(brought.value)).toBe('refused');
      expect(await rotations.test(brought)).toMatchObject({ healthy: 3 });
    });
  });

  it('compares the project, and what each may read and call, at no cost', async () => {
    const { rotations } = await adopt();
    const before = harness.server.answered.length;
    const { parity } = await rotations.test(await rotations.bringIn());
    expect(parity).toEqual([
      'project',
      'reading models',
      'reading files',
      'reading batches',
      'reading vector_stores',
      'reading fine_tuning/jobs',
      'calling models',
      'making responses',
    ]);
    expect(harness.server.answered.length).toBe(before);
  });

  it('fails a candidate that may do more than a restricted incumbent, unless permissions are declared', async () => {
    const scopes = ['api.model.request', 'api.files.read'];
    const incumbent = (place: Place) => harness.server.mint(place, { scopes }).value;
    const { rotations } = await adopt(incumbent);
    const error = rotations.test(await rotations.bringIn());
    await expect(error).rejects.toBeInstanceOf(CandidateUnproven);
    await expect(error).rejects.toThrow(
      /models, reading batches, reading vector_stores, .*, making responses\. Declare permissions/,
    );
    const declared = await adopt(incumbent, { permissions: scopes });
    const permissions = scopes.map((scope) => `permission ${scope}`);
    expect(await declared.rotations.test(await declared.rotations.bringIn())).toEqual({
      healthy: 1,
      parity: permissions,
    });
    const reading = await adopt(undefined, { permissions: ['read:all'] });
    expect(await reading.rotations.test(await reading.rotations.bringIn())).toEqual({
      healthy: 1,
      parity: ['permission api.all.read', 'project'],
    });
  });

  it('fails a candidate of another project than the incumbent', async () => {
    const elsewhere = await adopt();
    const { rotator, rotations, adopted } = await adopt();
    const { value: candidate } = await elsewhere.rotations.bringIn();
    const { settings } = rotations;
    const test = rotator.test({ settings, candidate, incumbentIdentity: 'i', incumbent: adopted.incumbent });
    await expect(test).rejects.toThrow(/belongs to project proj_\w+, the incumbent to project proj_\w+/);
  });

  it('has nothing to compare with where the incumbent has gone, and says so by naming nothing', async () => {
    const { rotations, living } = await adopt();
    const [incumbent] = living();
    const brought = await rotations.bringIn();
    harness.server.delete(incumbent?.id ?? '');
    expect(await rotations.test(brought)).toEqual({ healthy: 1, parity: [] });
  });

  it('does without a project that the answers do not name', async () => {
    await withServer({ namesProject: false }, async (other) => {
      const { rotations } = await adopt(undefined, { permissions: ['chat'] }, other);
      const parity = ['permission api.model.request'];
      expect(await rotations.test(await rotations.bringIn())).toEqual({ healthy: 1, parity });
    });
  });
});

describe('a refused incumbent', () => {
  it('stops a rotation', async () => {
    const { rotations, living } = await adopt();
    harness.server.delete(living()[0]?.id ?? '');
    await expect(rotations.preflight('v1')).rejects.toBeInstanceOf(IncumbentRefused);
  });
});
