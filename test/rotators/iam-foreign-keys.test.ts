import { describe, expect, it } from 'vitest';
import { OrphanInDoubt, RekeyError, TransientFailure } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { hasMadeNothing } from '../../shared/rotation/bring-in.ts';
import { iamRotator } from '../../shared/rotators/iam/iam-rotator.ts';
import type { Issuance, IssuedRotator, KnownCredential, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { InMemoryIam, type InMemoryIamOptions, type InMemoryKey, statusOf, USER } from '../fakes/in-memory-iam.ts';
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

type Outcome = 'answered' | 'answer lost' | 'request lost' | 'throttled';
type Deed = 'makes a key' | 'uses one' | 'disables one' | 'deletes one';

interface Story {
  readonly hasIncumbent: boolean;
  /** By how much IAM's clock and Rekey's differ. */
  readonly aheadSeconds: number;
  /** Tries of Generate: after how many seconds, and what becomes of the request for a key. */
  readonly tries: readonly { readonly after: number; readonly outcome: Outcome }[];
  /** What somebody else does, just before the `request`-th request of Rekey. */
  readonly deeds: readonly { readonly request: number; readonly deed: Deed }[];
  readonly retiredAfter: number;
}

const ofRekey = ({ madeBy }: InMemoryKey) => madeBy === 'rekey';
const ofSomebody = ({ madeBy }: InMemoryKey) => madeBy === 'somebody';

/** One rotation of a user of whom somebody else has keys, too; journaled as Generate does. Its values are never stored. */
class Rotation {
  readonly clock = new ManualClock();
  readonly iam: InMemoryIam;
  readonly #rotator: IssuedRotator;
  readonly #incumbent: SecretText | undefined;
  #outcome: Outcome = 'answered';
  #identity = 'new key';
  #issuance: Issuance | undefined;

  constructor({ hasIncumbent, aheadSeconds, deeds }: Story) {
    let requests = 0;
    this.iam = new InMemoryIam({
      clock: this.clock,
      aheadMilliseconds: aheadSeconds * 1000,
      creation: () => this.#outcome,
      meanwhile: () => {
        requests += 1;
        this.clock.advance(0.1);
        for (const { request, deed } of deeds) if (request === requests) this.#does(deed);
      },
    });
    this.#incumbent = hasIncumbent ? this.iam.seed() : undefined;
    this.#rotator = iamRotator({ clock: this.clock, aws: this.iam.clients });
  }

  get issuance(): Issuance | undefined {
    return this.#issuance;
  }

  /** Answers the fault that it ended with. */
  async attempt(outcome: Outcome): Promise<RekeyError | undefined> {
    const values = { settings: SETTINGS, admin: undefined, incumbent: this.#incumbent, versionId: 'v2' };
    return faultOf(async () => {
      const { existing = [] } = await this.#rotator.preflight({ ...values, known: this.#known });
      const begun = this.#issuance?.attempts === 0 ? undefined : this.#issuance;
      const { attempts, ...first } = begun ?? { since: this.clock.now(), existing, attempts: 0 };
      const issuance = { ...first, attempts: attempts + 1 };
      this.#issuance = issuance;
      this.#outcome = outcome;
      const input = { ...values, startedAt: first.since, candidate: 'new key', issuance, known: this.#known };
      try {
        this.#identity = (await this.#rotator.issue(input)).identity;
        this.#issuance = { ...issuance, explained: issuance.attempts };
      } catch (error) {
        if (hasMadeNothing(this.#rotator, error)) this.#issuance = { ...issuance, attempts };
        throw error;
      }
    });
  }

  async retire(): Promise<RekeyError | undefined> {
    const input = { settings: SETTINGS, admin: undefined, identity: this.#identity, versionId: 'v2', value: undefined };
    return faultOf(async () => {
      await this.#rotator.retire({ ...input, survivor: undefined, known: this.#known });
    });
  }

  get #known(): readonly KnownCredential[] {
    const issuance = this.#issuance;
    return issuance === undefined ? [] : [{ identity: this.#identity, versionId: 'v2', state: 'proposed', issuance }];
  }

  #does(deed: Deed): void {
    if (deed === 'makes a key') {
      this.iam.makeByHand();
      return;
    }
    const key = this.iam.alive.findLast(ofSomebody);
    if (key === undefined) return;
    if (deed === 'uses one') key.isUsed ||= statusOf(key) === 'Active';
    else this.iam.change(key, deed === 'deletes one' ? 'Deleted' : 'Inactive');
  }
}

async function faultOf(work: () => Promise<void>): Promise<RekeyError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof RekeyError) return error;
    throw error;
  }
}

const story = (deed: fc.Arbitrary<Deed>): fc.Arbitrary<Story> =>
  fc.record({
    hasIncumbent: fc.boolean(),
    aheadSeconds: fc.constantFrom(0, 0, -280, 280),
    tries: fc.array(
      fc.record({
        after: fc.integer({ min: 0, max: 70 }),
        outcome: fc.constantFrom<Outcome[]>('answered', 'answer lost', 'request lost', 'throttled'),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    deeds: fc.array(fc.record({ request: fc.integer({ min: 1, max: 30 }), deed }), { maxLength: 5 }),
    retiredAfter: fc.constantFrom(0, 20, 400, 86_400),
  });

describe('whatever somebody does to the keys of the user while a rotation runs', () => {
  const deeds = fc.constantFrom<Deed[]>('makes a key', 'makes a key', 'uses one', 'disables one', 'deletes one');

  it('a key that may be his is not touched, and nothing is where there is a doubt', async () => {
    await fc.assert(
      fc.asyncProperty(story(deeds), async (told) => {
        const rotation = new Rotation(told);
        const { iam, clock } = rotation;
        for (const { after, outcome } of told.tries) {
          clock.advance(after);
          await expectNothingInDoubt(rotation, () => rotation.attempt(outcome));
        }
        clock.advance(told.retiredAfter);
        await expectNothingInDoubt(rotation, () => rotation.retire());
        for (const key of iam.keys.filter(ofSomebody)) expectRightlyTaken(key, rotation, told);
      }),
      { numRuns: 150 },
    );
  });

  it('nothing of Rekey is left where the retirement ends well', async () => {
    await fc.assert(
      fc.asyncProperty(story(deeds), async (told) => {
        const rotation = new Rotation(told);
        for (const { after, outcome } of told.tries) {
          rotation.clock.advance(after);
          await rotation.attempt(outcome);
        }
        rotation.clock.advance(told.retiredAfter);
        if ((await rotation.retire()) === undefined) expect(rotation.iam.alive.filter(ofRekey)).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});

it.each(Array.from({ length: 12 }, (_, index) => 9 + index))(
  'one that is used before request %i spares the other, which may be his then, or was disabled by then',
  async (request) => {
    const rotation = new Rotation({
      hasIncumbent: false,
      aheadSeconds: 0,
      tries: [],
      deeds: [
        { request: 8, deed: 'makes a key' },
        { request, deed: 'uses one' },
      ],
      retiredAfter: 0,
    });
    await rotation.attempt('request lost');
    rotation.clock.advance(45);
    await rotation.attempt('answer lost');
    const fault = await rotation.retire();
    const [ours, his] = rotation.iam.keys as [InMemoryKey, InMemoryKey];
    expect(his.isUsed).toBe(fault instanceof OrphanInDoubt);
    const kept = his.isUsed ? 'Active' : 'Deleted';
    expect([ours, his].map(statusOf)).toEqual([kept, kept]);
  },
);

describe('a key that came in the time of an attempt whose answer was lost', () => {
  /** The retirement of that attempt, of which `keys` came; each request takes 0.1 s. */
  function lostAttempt(options: Partial<InMemoryIamOptions>, attempts = 1) {
    const clock = new ManualClock();
    const iam = new InMemoryIam({
      clock,
      ...options,
      meanwhile: (action) => {
        clock.advance(0.1);
        options.meanwhile?.(action);
      },
    });
    const issuance = { since: clock.now(), existing: [], attempts };
    const retire = () =>
      iamRotator({ clock, aws: iam.clients })
        .retire({
          settings: SETTINGS,
          admin: undefined,
          identity: 'new key',
          versionId: 'v2',
          value: undefined,
          survivor: undefined,
          known: [{ identity: 'new key', versionId: 'v2', state: 'proposed', issuance }],
        })
        .catch((error: unknown) => error);
    return { clock, iam, retire };
  }

  it('and was used when Rekey had disabled it, and was cut off: the next try says that it may have been Rekey', async () => {
    let his: InMemoryKey | undefined;
    let hasDisabled = false;
    const { clock, iam, retire } = lostAttempt({
      meanwhile: (action) => {
        if (action === 'UpdateAccessKey' && his !== undefined && !hasDisabled) {
          hasDisabled = true;
          his.isUsed = true;
        } else if (hasDisabled && action === 'GetAccessKeyLastUsed' && !wasCut) {
          wasCut = true;
          throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
        }
      },
    });
    let wasCut = false;
    clock.advance(2);
    his = iam.makeByHand() as InMemoryKey;
    clock.advance(60);
    expect(await retire()).toBeInstanceOf(TransientFailure);
    const doubt = await retire();
    expect(doubt).toBeInstanceOf(OrphanInDoubt);
    expect((doubt as OrphanInDoubt).safeMessage).toMatch(/It is disabled, by somebody or by an earlier try/);
    // Who has disabled it, nobody can say: Rekey turns nothing on that a person may have turned off.
    expect(statusOf(his)).toBe('Inactive');
  });

  it.each([
    ['does not know it yet', OrphanInDoubt, 'Active'],
    ['cannot be reached', TransientFailure, 'Inactive'],
  ] as const)(
    'and was used when Rekey had disabled it is turned on again; where a host %s, not at once',
    async (host, fault, status) => {
      let his: InMemoryKey | undefined;
      let updates = 0;
      let last = '';
      const { clock, iam, retire } = lostAttempt({
        hosts: 2,
        meanwhile: (action) => {
          last = action;
          if (action === 'UpdateAccessKey') updates += 1;
          if (updates === 1 && his !== undefined) his.isUsed = true;
          if (updates !== 2 || action !== 'UpdateAccessKey') return;
          if (host === 'does not know it yet') {
            for (const { knownAt } of his?.changes ?? []) knownAt.splice(1, 1, clock.now().getTime() + 2000);
            return;
          }
          throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
        },
        // The second host is asked to turn it on.
        route: () => (last === 'UpdateAccessKey' && updates === 2 ? 1 : 0),
      });
      clock.advance(2);
      his = iam.makeByHand() as InMemoryKey;
      expect(await retire()).toBeInstanceOf(fault);
      expect(statusOf(his)).toBe(status);
    },
  );

  it('is not deleted before another is disabled, whichever host does not know that one yet', async () => {
    let keys: readonly InMemoryKey[] = [];
    let updates = 0;
    let last = '';
    const { clock, iam, retire } = lostAttempt(
      {
        hosts: 2,
        meanwhile: (action) => {
          last = action;
          if (action === 'UpdateAccessKey') updates += 1;
          const [first, second] = keys;
          if (first !== undefined && statusOf(first) === 'Deleted' && second !== undefined) {
            second.isUsed ||= statusOf(second) === 'Active';
          }
        },
        // The second host is asked to disable the second key.
        route: () => (last === 'UpdateAccessKey' && updates === 1 ? 1 : 0),
      },
      2,
    );
    clock.advance(2);
    const first = iam.makeByHand() as InMemoryKey;
    clock.advance(76);
    const second = iam.makeByHand() as InMemoryKey;
    second.changes[0]?.knownAt.splice(1, 1, clock.now().getTime() + 8000);
    keys = [first, second];
    clock.advance(1);
    expect(await retire()).toMatchObject({ refusedLogin: false });
    expect(second.isUsed).toBe(false);
    expect(keys.map(statusOf)).toEqual(['Deleted', 'Deleted']);
  });
});

it('where nobody else is, the retirement of a rotation that was interrupted anyhow ends well', async () => {
  await fc.assert(
    fc.asyncProperty(story(fc.constant('uses one')), async (told) => {
      const rotation = new Rotation({ ...told, deeds: [] });
      for (const { after, outcome } of told.tries) {
        rotation.clock.advance(after);
        const fault = await rotation.attempt(outcome);
        expect(fault?.name ?? outcome).toMatch(/^(answered|Throttled|TransientFailure)$/);
      }
      rotation.clock.advance(told.retiredAfter);
      expect(await rotation.retire()).toBeUndefined();
      expect(rotation.iam.alive.filter(ofRekey)).toEqual([]);
    }),
    { numRuns: 100 },
  );
});

/** Whatever was there before is as it was, whoever made it. */
async function expectNothingInDoubt({ iam }: Rotation, step: () => Promise<RekeyError | undefined>): Promise<void> {
  const before = iam.keys.map((key) => ({ key, status: statusOf(key) }));
  if (!((await step()) instanceof OrphanInDoubt)) return;
  for (const { key, status } of before) {
    const isAsLeft = key.changes.at(-1)?.by === 'somebody' || statusOf(key) === status;
    expect(isAsLeft).toBe(true);
  }
}

/**
 * What remains: a key that somebody made within the half minute (for each attempt more 75 s) in which an answer was lost,
 * and had not used when it was disabled, while what Rekey had asked for is not there.
 */
function expectRightlyTaken(key: InMemoryKey, { issuance }: Rotation, { tries, aheadSeconds }: Story): void {
  const deletion = key.changes.find(({ by, status }) => by === 'rekey' && status === 'Deleted');
  if (deletion === undefined) return;
  expect(deletion.wasUsed).toBe(false);
  expect(issuance?.existing).not.toContain(key.id);
  const seconds = (key.madeAt - (issuance?.since.getTime() ?? 0)) / 1000 - aheadSeconds;
  expect(seconds).toBeGreaterThan(-3);
  expect(seconds).toBeLessThan(30 + 75 * (tries.length - 1) + 3);
  expect(tries.some(({ outcome }) => outcome === 'request lost' || outcome === 'answer lost')).toBe(true);
}
