import { beforeEach, describe, expect, it } from 'vitest';
import { TransientFailure } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { iamRotator } from '../../shared/rotators/iam/iam-rotator.ts';
import type { IssuedRotator, KnownCredential, RetireReport, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { InMemoryIam, type InMemoryIamOptions, type InMemoryKey, USER, valueOf } from '../fakes/in-memory-iam.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import * as fc from '../harness/properties.ts';

const SETTINGS: RotatorSettings = {
  secretId: 'uploader',
  mode: 'two_roles',
  preheatSeconds: 30,
  healthyThreshold: 5,
  endSessions: true,
  provider: { user: USER },
};
/** What a phase's function has. */
const FUNCTION_SECONDS = 60;
/** As late as was published of a new key, and three times as late as of a deleted one (`spread.ts`). */
const LATEST = { Active: 15_000, Inactive: 12_000, Deleted: 12_000 } as const;

/** One secret whose key an `issue` has made, at an AWS with hosts that know things late. */
class Hosts {
  readonly clock: ManualClock;
  readonly iam: InMemoryIam;
  readonly rotator: IssuedRotator;
  readonly incumbent: SecretText;
  readonly #since: Date;

  /** How late each host learns of each change, which host answers, and how long that takes: one number for each question. */
  constructor(chance: () => number = () => 0, options: Partial<InMemoryIamOptions> = {}) {
    const hosts = 3;
    this.clock = options.clock ?? new ManualClock();
    this.iam = new InMemoryIam({
      clock: this.clock,
      hosts,
      route: () => {
        this.clock.advance(chance() / 2);
        return Math.floor(chance() * hosts) % hosts;
      },
      lagMilliseconds: (status) => Math.floor(chance() * LATEST[status]),
      ...options,
    });
    this.incumbent = this.iam.seed();
    this.rotator = iamRotator({ clock: this.clock, aws: this.iam.clients });
    this.#since = this.clock.now();
  }

  async issue(): Promise<InMemoryKey> {
    await this.rotator.issue({
      settings: SETTINGS,
      admin: undefined,
      incumbent: this.incumbent,
      versionId: 'v2',
      startedAt: this.#since,
      candidate: 'new key',
      issuance: { since: this.#since, existing: [this.#oldId], attempts: 1 },
      known: [],
    });
    return this.iam.keys[1] as InMemoryKey;
  }

  /** Ends the new key beside the old one, or the other way round; again while it is told to, as the workflow does. */
  async retire(
    key: InMemoryKey,
    options: { hasValue?: boolean; isNamed?: boolean } = {},
  ): Promise<RetireReport & { readonly seconds: number }> {
    for (let tries = 0; tries < 5; tries += 1) {
      const start = this.clock.now().getTime();
      try {
        const report = await this.retireOnce(key, options);
        return { ...report, seconds: (this.clock.now().getTime() - start) / 1000 };
      } catch (error) {
        if (!(error instanceof TransientFailure)) throw error;
      }
    }
    throw new Error('It came to no end.');
  }

  async retireOnce(key: InMemoryKey, { hasValue = true, isNamed = true } = {}): Promise<RetireReport> {
    const isNew = key.id !== this.#oldId;
    const survivor = isNew ? this.incumbent : valueOf(this.iam.keys[1] as InMemoryKey);
    const issuance = { since: this.#since, existing: [this.#oldId], attempts: 1, explained: isNamed ? 1 : 0 };
    const newId = isNamed ? (this.iam.keys[1]?.id ?? '') : 'new key';
    const known: KnownCredential[] = [
      { identity: this.#oldId, versionId: 'v1', state: isNew ? 'current' : 'grace' },
      { identity: newId, versionId: 'v2', state: isNew ? 'proposed' : 'current', issuance },
    ];
    const identity = isNew ? newId : key.id;
    const value = hasValue ? valueOf(key) : undefined;
    const input = { settings: SETTINGS, admin: undefined, identity, versionId: isNew ? 'v2' : 'v1', survivor, known };
    return this.rotator.retire({ ...input, value });
  }

  get #oldId(): string {
    return this.iam.keys[0]?.id ?? '';
  }
}

describe('at an AWS whose hosts know things late', () => {
  const numbers = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), {
    minLength: 1,
    maxLength: 60,
  });
  /** The numbers, over and over. */
  const cycle = (values: readonly number[]) => {
    let next = 0;
    return () => values[next++ % values.length] ?? 0;
  };

  it('a key that is reported dead is taken by no host any more, however young it was', async () => {
    await fc.assert(
      fc.asyncProperty(numbers, fc.integer({ min: 0, max: 90 }), async (values, age) => {
        const hosts = new Hosts(cycle(values));
        const key = await hosts.issue();
        hosts.clock.advance(age);
        const { refusedLogin, facts, seconds } = await hosts.retire(key);
        expect(refusedLogin).toBe(true);
        expect(seconds).toBeLessThan(FUNCTION_SECONDS);
        expect(facts['access_key']).toContain(key.id);
        expect(hosts.iam.isEverAccepted(key)).toBe(false);
        expect(hosts.iam.alive).toEqual([hosts.iam.keys[0]]);
      }),
      { numRuns: 100 },
    );
  });

  it('nor is one that is long known', async () => {
    await fc.assert(
      fc.asyncProperty(numbers, async (values) => {
        const hosts = new Hosts(cycle(values));
        await hosts.issue();
        hosts.clock.advance(60);
        const old = hosts.iam.keys[0] as InMemoryKey;
        expect((await hosts.retire(old)).refusedLogin).toBe(true);
        expect(hosts.iam.isEverAccepted(old)).toBe(false);
        expect(hosts.iam.alive).toEqual([hosts.iam.keys[1]]);
      }),
      { numRuns: 50 },
    );
  });

  it('a key whose value nobody has is gone at every host in the end, named or lost', async () => {
    await fc.assert(
      fc.asyncProperty(numbers, fc.integer({ min: 0, max: 60 }), fc.boolean(), async (values, age, isNamed) => {
        const hosts = new Hosts(cycle(values));
        const key = await hosts.issue();
        hosts.clock.advance(age);
        const { facts, refusedLogin } = await hosts.retire(key, { hasValue: false, isNamed });
        expect(refusedLogin).toBe(false);
        expect(`${facts['access_key']} ${facts['removed_leftovers']}`).toContain(key.id);
        expect(hosts.iam.alive).toEqual([hosts.iam.keys[0]]);
      }),
      { numRuns: 100 },
    );
  });
});

it('a key that one host lists is not gone because another does not know it', async () => {
  let host = 0;
  const clock = new ManualClock();
  const iam = new InMemoryIam({
    clock,
    hosts: 2,
    route: () => host,
    meanwhile: (action) => {
      host = action === 'UpdateAccessKey' ? 1 : 0;
    },
  });
  iam.seed();
  const key = iam.makeByHand() as InMemoryKey;
  // The second host never learns of it.
  key.changes[0]?.knownAt.splice(1, 1, Infinity);
  const retired = iamRotator({ clock, aws: iam.clients }).retire({
    settings: SETTINGS,
    admin: undefined,
    identity: key.id,
    versionId: 'v2',
    value: undefined,
    survivor: undefined,
    known: [],
  });
  await expect(retired).rejects.toBeInstanceOf(TransientFailure);
  expect(iam.alive).toContain(key);
});

describe('a lost key that IAM lists at the last moment', () => {
  /** Of its retirement, where each request takes so long, and the key is listed so long after it was made. */
  const retireLost = async (requestSeconds: number, listedSeconds: number) => {
    const clock = new ManualClock();
    let isMade = false;
    const hosts: Hosts = new Hosts(() => 0, {
      clock,
      lagMilliseconds: (status) => (status === 'Active' ? listedSeconds * 1000 : 0),
      route: () => {
        clock.advance(isMade ? requestSeconds : 0);
        return 0;
      },
    });
    const key = await hosts.issue();
    isMade = true;
    return { hosts, key, retired: hosts.retireOnce(key, { hasValue: false, isNamed: false }) };
  };

  it('is found, although the looks before it took their time', async () => {
    const { hosts, key, retired } = await retireLost(0.4, 14.9);
    expect((await retired).facts['removed_leftovers']).toContain(key.id);
    expect(hosts.iam.alive).not.toContain(key);
  });

  it('is not said to be gone where the time is over before it can be listed: another try finds it', async () => {
    const { hosts, key, retired } = await retireLost(25, 55);
    await expect(retired).rejects.toBeInstanceOf(TransientFailure);
    const { facts } = await hosts.retireOnce(key, { hasValue: false, isNamed: false });
    expect(facts['removed_leftovers']).toContain(key.id);
  });
});

describe('ending a key takes', () => {
  let hosts: Hosts;
  beforeEach(() => {
    hosts = new Hosts();
  });

  it('12 s when it is long known', async () => {
    await hosts.issue();
    expect((await hosts.retire(hosts.iam.keys[0] as InMemoryKey)).seconds).toBe(12);
  });

  it('15 s more when it was made a moment ago, less than the function has', async () => {
    const { seconds } = await hosts.retire(await hosts.issue());
    expect(seconds).toBe(27);
    expect(seconds).toBeLessThan(FUNCTION_SECONDS);
  });

  it('what is left of them when it was made a while ago', async () => {
    const key = await hosts.issue();
    hosts.clock.advance(40);
    expect((await hosts.retire(key)).seconds).toBe(18);
  });

  it('15 s, and nothing is done, where nobody has its value and it is gone', async () => {
    const key = await hosts.issue();
    hosts.iam.change(key, 'Deleted');
    const { seconds, facts } = await hosts.retire(key);
    expect(seconds).toBe(27);
    expect(facts['access_key']).toBe(`${key.id}: was gone`);
  });
});
