import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  OrphanInDoubt,
  RekeyError,
  RotationEnded,
  SameAsSurvivor,
  SlotOccupied,
  TransientFailure,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { systemClock } from '../../shared/clock.ts';
import type { IssuedRotator } from '../../shared/rotators/rotator.ts';
import { spoiling } from '../chaos/broken-rotators.ts';
import { ChaosWorld } from '../chaos/chaos-world.ts';
import { type CellResult, cellsOf, runCell } from '../chaos/matrix.ts';
import { ConsumerLoad } from './consumer-load.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted, TargetHarness } from './target-harness.ts';

export interface ContractOptions {
  readonly kind: 'chosen' | 'issued';
  /** What is special, where a type runs it more than once. */
  readonly variant?: string;
  /** Where nothing can stand in the way of a candidate (`TargetHarness.obstruct`), or no address can be changed. */
  readonly obstructs?: boolean;
  readonly hasAddress?: boolean;
  /** Another mode of a rotator whose usual one has the load and the sample of the crash matrix. */
  readonly isVariant?: boolean;
  /** Where the target itself refuses nothing (type `credential`): a retired value cannot be proved dead. */
  readonly provesDeath?: boolean;
  /** Where only its own end, or its own value, ends a credential: a lost answer cannot be cleaned up. */
  readonly findsLost?: boolean;
  /** As the harness says: what a lost answer left behind is for a person to look for. */
  readonly leavesDoubt?: boolean;
}

const MINUTES = 60_000;
/** Cells of the crash matrix that every test run has; all of them: `npm run chaos`. */
const SAMPLE = 10;

const MALFORMED: readonly (readonly [string, string])[] = [
  ['no JSON', 'a-leaked-value-0'],
  ['a JSON text', '"a-leaked-value-1"'],
  ['null', 'null'],
  ['a list', '["a-leaked-value-2"]'],
  ['an empty object', '{}'],
  ['wrong types', '{"username":17,"password":{"a":"a-leaked-value-3"},"host":[],"port":"x"}'],
  ['64 KiB', JSON.stringify({ password: 'a-leaked-value-4'.repeat(4096) })],
  ['NUL in a name', '{"username":"a\\u0000b"}'],
  ['NUL in a password', '{"password":"a-leaked-value-5\\u0000"}'],
  ['a lone surrogate in a name', '{"username":"a\\ud800b"}'],
  ['a lone surrogate in a password', '{"password":"a-leaked-value-6\\udfff"}'],
];

/**
 * `text`; where it is the fields of an object, and `value` is one of a login, in place of those: so that nothing else is
 * wrong with it.
 */
function malformed(value: SecretText, text: string): SecretText {
  const fields = objectOf(text);
  const login = objectOf(value.reveal());
  if (fields === undefined || Object.keys(fields).length === 0 || login?.['password'] === undefined) {
    return new SecretText(text);
  }
  return new SecretText(JSON.stringify({ ...login, ...fields }));
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
    return isObject ? (parsed as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What every rotator with overlap keeps, whatever its target. `open` starts the target; each test adopts a secret of its
 * own at it.
 */
export function rotatorContract(
  type: string,
  open: () => Promise<TargetHarness>,
  {
    kind,
    variant,
    provesDeath = true,
    isVariant = false,
    findsLost = true,
    leavesDoubt = false,
    obstructs = true,
    hasAddress = true,
  }: ContractOptions,
): void {
  const name = variant === undefined ? type : `${type} ${variant}`;
  describe(`${name} rotator: contract`, () => {
    let harness: TargetHarness;
    let made = 0;
    beforeAll(async () => {
      harness = await open();
    });
    afterAll(() => harness?.stop());

    async function adopt(): Promise<{ readonly adopted: Adopted; readonly rotations: RotationByHand }> {
      made += 1;
      const adopted = await harness.adopt(`contract${made}`);
      return { adopted, rotations: new RotationByHand(harness.rotator(systemClock), adopted) };
    }
    const dead = provesDeath ? 'refused' : 'accepted';

    it('says what it is', () => {
      expect(harness.rotator(systemClock)).toMatchObject({ type, kind, overlap: true });
      expect(harness.leavesDoubt ?? false).toBe(leavesDoubt);
    });

    it('touches nothing in preflight, nor when it tests or probes', async () => {
      const { adopted, rotations } = await adopt();
      const before = await harness.state(adopted);
      await rotations.preflight(crypto.randomUUID());
      await rotations.preflight(crypto.randomUUID());
      await rotations.probe(adopted.incumbent);
      await rotations.rotator.release();
      expect(await harness.state(adopted)).toBe(before);
      const brought = await rotations.bringIn();
      const installed = await harness.state(adopted);
      await rotations.test(brought);
      await rotations.rotator.release();
      expect(await harness.state(adopted)).toBe(installed);
    });

    it('keeps the incumbent valid until it is retired; then it is refused, and nothing unknown lives', async () => {
      const { adopted, rotations } = await adopt();
      for (let turn = 0; turn < 3; turn += 1) {
        const incumbent = rotations.current.value;
        const brought = await rotations.bringIn();
        expect(await Promise.all([incumbent, brought.value].map((value) => rotations.probe(value)))).toEqual([
          'accepted',
          'accepted',
        ]);
        await harness.use(incumbent);
        await harness.use(brought.value);
        expect((await rotations.test(brought)).healthy).toBeGreaterThan(0);
        const replaced = rotations.promote(brought);
        await harness.use(incumbent);
        const report = await rotations.retire(replaced);
        expect(report.refusedLogin).toBe(provesDeath);
        expect(await rotations.probe(incumbent)).toBe(dead);
        if (provesDeath) await expect(harness.use(incumbent)).rejects.toThrow();
        await harness.use(brought.value);
        expect(await harness.unaccounted(adopted, rotations.accounted)).toEqual([]);
      }
      await rotations.rotator.release();
    });

    it('may run every step twice', async () => {
      const { adopted, rotations } = await adopt();
      for (let turn = 0; turn < 2; turn += 1) {
        const incumbent = rotations.current.value;
        const brought = await rotations.bringIn(undefined, { times: 2 });
        expect(await harness.unaccounted(adopted, rotations.accounted)).toEqual([]);
        await rotations.test(brought);
        await rotations.test(brought);
        const replaced = rotations.promote(brought);
        await rotations.retire(replaced, { forget: false });
        await rotations.retire(replaced);
        await harness.use(brought.value);
        expect(await rotations.probe(incumbent)).toBe(dead);
        expect(await harness.unaccounted(adopted, rotations.accounted)).toEqual([]);
      }
      await rotations.rotator.release();
    });

    it('takes a candidate back, twice, and the incumbent goes on; the next rotation works', async () => {
      const { adopted, rotations } = await adopt();
      const brought = await rotations.bringIn();
      await rotations.retire(brought.versionId, { forget: false });
      await rotations.retire(brought.versionId);
      expect(await rotations.probe(brought.value)).toBe(dead);
      await harness.use(adopted.incumbent);
      expect(await harness.unaccounted(adopted, rotations.accounted)).toEqual([]);
      const next = await rotations.rotate();
      await harness.use(next.value);
    });

    it('does not end the credential that must go on, of whatever version it is, and says that it is the same', async () => {
      const { adopted, rotations } = await adopt();
      const replaced = rotations.promote(await rotations.bringIn());
      rotations.restore(replaced);
      const before = await harness.state(adopted);
      await expect(rotations.retire(replaced)).rejects.toBeInstanceOf(SameAsSurvivor);
      await rotations.rotator.release();
      expect(await harness.state(adopted)).toBe(before);
      await harness.use(adopted.incumbent);
    });

    onlyIf(obstructs)('leaves alone what it did not make, and says what stands in the way', async () => {
      const { adopted, rotations } = await adopt();
      const { isUntouched } = given(await harness.obstruct?.(adopted));
      const error = await rotations.preflight(crypto.randomUUID()).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(SlotOccupied);
      expect(await isUntouched()).toBe(true);
      await harness.use(adopted.incumbent);
      await rotations.rotator.release();
    });

    onlyIf(kind === 'chosen')('does not let a late install harm what a later rotation has made', async () => {
      const { adopted, rotations } = await adopt();
      const { rotator } = rotations;
      if (rotator.kind !== 'chosen') throw new Error('this rotator issues');
      const lateId = crypto.randomUUID();
      const startedAt = rotations.nextStart();
      const late = await rotations.preflight(lateId);
      const values = { settings: rotations.settings, admin: adopted.admin, incumbent: adopted.incumbent };
      const brought = await rotations.bringIn();
      const candidate = rotator.propose({ ...values, versionId: lateId, candidate: late.candidate });
      const run = rotator.install({
        ...values,
        versionId: lateId,
        startedAt,
        candidate,
        incumbentVersionId: rotations.current.versionId,
        fence: late.fence,
      });
      const error = await run.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) {
        // Whoever stopped its rotation takes it back.
        const { settings, admin } = values;
        const identity = late.candidate;
        const { value: survivor, versionId: survivorVersionId } = rotations.current;
        const entry = { identity, versionId: lateId, state: 'proposed', wasStored: true } as const;
        const known = [...rotations.known, entry];
        const back = {
          settings,
          admin,
          identity,
          versionId: lateId,
          value: candidate,
          survivor,
          survivorVersionId,
          known,
        };
        await rotator.retire(back);
      } else expect(error).toBeInstanceOf(RotationEnded);
      expect(await harness.unaccounted(adopted, rotations.accounted)).toEqual([]);
      await harness.use(brought.value);
      await rotations.test(brought);
      await harness.use(adopted.incumbent);
      await rotator.release();
    });

    for (const until of ['promoted', 'retired'] as const) {
      for (const lost of [0, 1]) {
        const attempt = lost === 0 ? 'a late issue' : 'a late second issue';
        const title = `does not let ${attempt} harm what a later rotation has made, and ${until}, nor leave anything behind`;
        onlyIf(kind === 'issued')(title, async () => {
          made += 1;
          let calls = 0;
          // Held up right before it asks the provider, as by a process that stands still.
          const spoil = spoiling<IssuedRotator>((rotator) => ({
            issue: async (input) => {
              calls += 1;
              if (calls === lost + 1) await world.overtake(until);
              const report = await rotator.issue(input);
              if (calls <= lost) throw new TransientFailure('Its answer was lost.');
              return report;
            },
          }));
          const world = await ChaosWorld.adopted(harness, `late${made}`, { recovery: 'workflow retries', spoil });
          await world.rotateAndRecover();
          expect(calls).toBeGreaterThan(lost + 1);
          expect([...world.broken, ...(await world.faults())]).toEqual([]);
          expect(await world.nextRotation()).toBe('rotated');
          expect([...world.broken, ...(await world.faults())]).toEqual([]);
        });
      }
    }

    onlyIf(leavesDoubt)('asks for nothing more after a lost answer, and says what a person must look for', async () => {
      const { adopted, rotations } = await adopt();
      const versionId = crypto.randomUUID();
      const preflight = await rotations.preflight(versionId);
      rotations.journal(versionId, preflight);
      await rotations.issue(versionId, preflight, undefined, { lost: true });
      const [left = '', ...more] = await harness.unaccounted(adopted, rotations.accounted);
      expect(more).toEqual([]);
      const before = await harness.state(adopted);
      for (const run of [() => rotations.issue(versionId, preflight), () => rotations.retire(versionId)]) {
        const error = await run().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(OrphanInDoubt);
        expect((error as OrphanInDoubt).safeMessage).toContain(`"${left}"`);
        expect(await harness.state(adopted)).toBe(before);
      }
      await harness.use(adopted.incumbent);
    });

    onlyIf(kind === 'issued' && findsLost)('finds and removes what a lost answer left behind', async () => {
      const { adopted, rotations } = await adopt();
      const versionId = crypto.randomUUID();
      const preflight = await rotations.preflight(versionId);
      rotations.journal(versionId, preflight);
      const lost = await rotations.issue(versionId, preflight, undefined, { lost: true });
      const value = await rotations.issue(versionId, await rotations.preflight(versionId));
      expect(await rotations.probe(lost)).toBe('refused');
      expect(await harness.unaccounted(adopted, rotations.accounted)).toEqual([]);
      await rotations.test({ value });
      await rotations.retire(versionId);
      const second = crypto.randomUUID();
      const again = await rotations.preflight(second);
      rotations.journal(second, again);
      const lostToo = await rotations.issue(second, again, undefined, { lost: true });
      await rotations.retire(second);
      expect(await rotations.probe(lostToo)).toBe('refused');
      expect(await harness.unaccounted(adopted, rotations.accounted)).toEqual([]);
      await harness.use(adopted.incumbent);
      await rotations.rotator.release();
    });

    onlyIf(hasAddress)('tells a target that does not answer from one that refuses', async () => {
      const { adopted, rotations } = await adopt();
      const error = await rotations.probe(given(harness.unreachable?.(adopted.incumbent))).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect((error as Error).name).toMatch(/^(TargetUnreachable|TransientFailure)$/);
      await rotations.rotator.release();
    });

    onlyIf(!isVariant)(
      'lets no operation fail during 20 rotations, on connections of its own or kept ones',
      async () => {
        const { rotations } = await adopt();
        const load = new ConsumerLoad(harness, () => rotations.current.value);
        try {
          for (let turn = 0; turn < 20; turn += 1) {
            const brought = await rotations.bringIn();
            await rotations.test(brought);
            const replaced = rotations.promote(brought);
            // The grace period: whoever began with the old value comes to an end with it.
            await load.everybodyOnce();
            await rotations.retire(replaced);
            await rotations.rotator.release();
          }
        } finally {
          await load.stop();
        }
        expect(load.failures).toEqual([]);
        expect(load.operations).toBeGreaterThan(100);
      },
      2 * MINUTES,
    );

    onlyIf(!isVariant)(
      'survives a sample of the crash matrix',
      async () => {
        const cells = sample(await cellsOf(harness), SAMPLE, seedOf(name));
        const results: CellResult[] = [];
        for (const cell of cells) results.push(await runCell(harness, cell));
        expect(results.filter(({ broken }) => broken.length > 0)).toEqual([]);
      },
      2 * MINUTES,
    );

    it.each(MALFORMED)('stops at a secret that holds %s, and does not repeat it', async (_, text) => {
      const { adopted, rotations } = await adopt();
      const before = await harness.state(adopted);
      const broken = new RotationByHand(rotations.rotator, {
        ...adopted,
        incumbent: malformed(adopted.incumbent, text),
      });
      const error = await broken.preflight(crypto.randomUUID()).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error !== undefined) {
        expect(error).toBeInstanceOf(RekeyError);
        expect((error as RekeyError).safeMessage).not.toContain('a-leaked-value');
      } else expect(provesDeath).toBe(false); // Only where any text may be a value.
      expect(await harness.state(adopted)).toBe(before);
      await rotations.rotator.release();
    });
  });
}

/** `count` of them, always the same for one seed. */
function sample<Item>(items: readonly Item[], count: number, seed: number): readonly Item[] {
  let state = seed;
  const drawn = items.map((item) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes' linear congruential generator.
    return { item, order: state };
  });
  return drawn
    .sort((one, other) => one.order - other.order)
    .slice(0, count)
    .map(({ item }) => item);
}

function seedOf(text: string): number {
  return Buffer.from(text).reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, 7);
}

/** What does not apply is no test at all: a skipped one means that something is missing on this machine. */
function onlyIf(applies: boolean): (title: string, run: () => Promise<void>, milliseconds?: number) => void {
  return (title, run, milliseconds) => {
    if (applies) it(title, run, milliseconds);
  };
}

function given<Answer>(answer: Answer | undefined): Answer {
  if (answer === undefined) throw new Error('the harness lacks what its options promise');
  return answer;
}
