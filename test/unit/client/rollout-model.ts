import type { ClientClock } from '../../../client/client-clock.ts';
import { openSecrets } from '../../../client/open-secrets.ts';
import type { SecretReader, SecretReading } from '../../../client/secret-reader.ts';
import { SecretValue } from '../../../client/secret-value.ts';
import type { Secrets } from '../../../client/secrets.ts';
import { acknowledge } from '../../../shared/rollout/acknowledge.ts';
import type { Answer, ConsumerWord, UseReport } from '../../../shared/rollout/consumer.ts';
import type { ConsumerLink } from '../../../shared/rollout/consumer-link.ts';
import type { RolloutNotice } from '../../../shared/rollout/notice.ts';
import { mayHold } from '../../../shared/rollout/presence.ts';
import { InMemoryConsumers } from '../../fakes/in-memory-consumers.ts';
import { ObservedLink, START } from './client-world.ts';

const NAME = 'db';
export const BOUND_SECONDS = 120;
/** How long AWSCURRENT may be read where it was before. */
const LAG_MILLISECONDS = 2000;
const BOUNDS = ['7'.repeat(16), 'f'.repeat(16)];

/** An invariant that did not hold. */
export class Violation extends Error {}

interface Sleeper {
  readonly owner: ModelProcess;
  readonly until: number;
  readonly wake: () => void;
}

interface HeldCall {
  readonly release: () => void;
  readonly fail: () => void;
}

/** One run of one process with the real client in it. Its machine can freeze, be cut off and have a wrong time. */
export class ModelProcess implements ClientClock {
  readonly id: string;
  readonly link: ObservedLink;
  secrets: Secrets<typeof NAME> | undefined;
  isDead = false;
  isFrozen = false;
  network: 'up' | 'slow' | 'down' = 'up';
  isProofBroken = false;
  skew = 0;
  /** Time that passed while frozen; the monotonic clock stands still then. */
  lost = 0;
  readonly held: HeldCall[] = [];
  /** What it has announced in its present life; `*`: whatever it reads next. */
  readonly announced = new Set<string>();
  readonly activated = new Set<string>();
  readonly #model: RolloutModel;

  constructor(model: RolloutModel, id: string) {
    this.#model = model;
    this.id = id;
    this.link = new ObservedLink(new WatchedTable(model, this));
    this.link.before = () => this.#cross();
    this.link.after = () => this.#cross();
  }

  wall(): number {
    return this.#model.now + this.skew;
  }

  monotonic(): number {
    return this.#model.now - START - this.lost;
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const sleeper = { owner: this, until: this.monotonic() + milliseconds, wake };
      const abort = (): void => {
        this.#model.sleepers.delete(sleeper);
        reject(signal?.reason as Error);
      };
      this.#model.sleepers.add(sleeper);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** The way to AWS, or back. A dead or frozen process does not go on. */
  #cross(): Promise<void> {
    if (this.isDead) return new Promise(() => undefined);
    if (this.network === 'up' && !this.isFrozen) return Promise.resolve();
    if (this.network === 'down' && !this.isFrozen) return Promise.reject(new Error('no network'));
    return new Promise((resolve, reject) => {
      this.held.push({ release: resolve, fail: () => reject(new Error('no answer')) });
    });
  }

  async start(): Promise<void> {
    this.secrets = await openSecrets([NAME], {
      consumerId: this.id,
      agent: 'model',
      boundSeconds: BOUND_SECONDS,
      heartbeatSeconds: 20,
      link: this.link,
      reader: this.#model,
      clock: this,
      random: () => 0.5,
    });
    await this.#model.mustBeHeld(this, this.secrets.current(NAME).versionId);
    this.secrets.onReload(
      NAME,
      ({ versionId }) => {
        if (this.isProofBroken || this.#model.retired.has(versionId)) throw new Error('refused by the target');
      },
      ({ versionId }) => this.#model.mustBeHeld(this, versionId),
    );
  }
}

/** The table, which sees that a version comes among what a process holds only by an announcement under the notice. */
class WatchedTable implements ConsumerLink {
  readonly #model: RolloutModel;
  readonly #process: ModelProcess;

  constructor(model: RolloutModel, process: ModelProcess) {
    this.#model = model;
    this.#process = process;
  }

  notices(secretIds: readonly string[]): Promise<ReadonlyMap<string, RolloutNotice>> {
    return this.#model.table.notices(secretIds);
  }

  notice(secretId: string): Promise<RolloutNotice | undefined> {
    return this.#model.table.notice(secretId);
  }

  async announce(consumer: ConsumerWord): Promise<'announced' | 'superseded'> {
    const outcome = await this.#model.table.announce(consumer);
    const { announced } = this.#process;
    if (outcome === 'announced' && consumer.holds.includes('*')) announced.clear();
    if (outcome === 'announced') for (const version of consumer.holds) announced.add(version);
    return outcome;
  }

  async report(consumer: ConsumerWord): Promise<void> {
    this.#mustBeAnnounced(consumer);
    await this.#model.table.report(consumer);
  }

  async answer(consumer: ConsumerWord, answer: Answer): Promise<void> {
    this.#mustBeAnnounced(consumer);
    await this.#model.table.answer(consumer, answer);
  }

  reportUse(report: UseReport): Promise<void> {
    return this.#model.table.reportUse(report);
  }

  leave(secretId: string, consumerId: string): Promise<void> {
    return this.#model.table.leave(secretId, consumerId);
  }

  #mustBeAnnounced({ holds, consumerId }: ConsumerWord): void {
    const { announced } = this.#process;
    const unknown = holds.filter((version) => !announced.has(version));
    // The first word after `*` says what was read.
    if (unknown.length === 1 && announced.delete('*')) announced.add(unknown[0] ?? '');
    else if (unknown.length > 0) this.#model.violations.push(`${consumerId} holds ${unknown.join()}, unannounced`);
    else if (!holds.includes('*')) announced.delete('*');
  }
}

/**
 * Rekey's side as far as consumers see it, Secrets Manager and the target, with any number of processes. Rekey ends a
 * version only after a notice that sends everybody away from it, and only while nobody may hold it.
 */
export class RolloutModel implements SecretReader {
  now = START;
  readonly sleepers = new Set<Sleeper>();
  readonly table = new InMemoryConsumers(() => new Date(this.now));
  readonly processes: ModelProcess[] = [];
  readonly retired = new Set<string>();
  /** Versions that are to be ended, and from when they may be. */
  readonly #ending = new Map<string, number>();
  readonly violations: string[] = [];
  #versions = 1;
  #runs = 0;
  #current = 'v1';
  #visible: { readonly versionId: string; readonly until: number } = { versionId: 'v1', until: 0 };
  #rolling: { readonly versionId: string; readonly isPromoted: boolean } | undefined;

  constructor() {
    this.table.onAnswer = (answer) => {
      const process = this.processes.find(({ id }) => id === answer.consumerId);
      if (answer.outcome === 'acknowledged' && process?.activated.has(answer.versionId) !== true) {
        this.violations.push(`${answer.consumerId} acknowledged ${answer.versionId} without using it`);
      }
      const taskTokens = { succeed: async () => undefined, fail: async () => undefined };
      void acknowledge([answer], { rollouts: this.table, taskTokens });
    };
  }

  async read(
    name: string,
    which: { readonly versionId: string } | { readonly stage: 'AWSCURRENT' },
  ): Promise<SecretReading | undefined> {
    const current = this.now < this.#visible.until ? this.#visible.versionId : this.#current;
    const versionId = 'stage' in which ? current : which.versionId;
    const value = new SecretValue({ name, versionId, text: `text of ${versionId}` });
    return { value, stages: versionId === current ? ['AWSCURRENT'] : ['AWSPENDING'] };
  }

  /** Whoever takes a version into use has told Rekey before, and Rekey still knows. */
  async mustBeHeld(process: ModelProcess, versionId: string): Promise<void> {
    process.activated.add(versionId);
    const item = (await this.table.consumers(NAME)).find(({ consumerId }) => consumerId === process.id);
    if (item?.holds.includes(versionId) === true || item?.holds.includes('*') === true) return;
    this.violations.push(`${process.id} took ${versionId} into use without holding it`);
  }

  startProcess(): void {
    this.#runs += 1;
    const process = new ModelProcess(this, `run-${this.#runs}`);
    this.processes.push(process);
    // Who cannot start crashes.
    process.start().catch(() => {
      process.isDead = true;
    });
  }

  async startRotation(): Promise<void> {
    if (this.#rolling !== undefined) return;
    this.#versions += 1;
    const versionId = `v${this.#versions}`;
    this.#rolling = { versionId, isPromoted: false };
    await this.#post({ state: 'rolling', versionId, bounds: BOUNDS, released: 1 });
  }

  async release(): Promise<void> {
    const notice = await this.table.notice(NAME);
    if (notice?.state !== 'rolling' || notice.released >= BOUNDS.length) return;
    await this.#post({ ...notice, released: notice.released + 1 });
  }

  promote(): void {
    if (this.#rolling === undefined || this.#rolling.isPromoted) return;
    this.#visible = { versionId: this.#current, until: this.now + LAG_MILLISECONDS };
    this.#ending.set(this.#current, this.now + LAG_MILLISECONDS);
    this.#current = this.#rolling.versionId;
    this.#rolling = { ...this.#rolling, isPromoted: true };
  }

  async settle(): Promise<void> {
    if (this.#rolling?.isPromoted !== true) return;
    this.#rolling = undefined;
    await this.#post({ state: 'settled', versionId: this.#current, bounds: [], released: 0 });
  }

  async callBack(): Promise<void> {
    if (this.#rolling === undefined || this.#rolling.isPromoted) return;
    const { versionId } = this.#rolling;
    this.#rolling = undefined;
    this.#ending.set(versionId, this.now);
    await this.#post({ state: 'returning', versionId, bounds: [], released: 0 });
  }

  /** Ends whatever may be ended. */
  async retire(): Promise<void> {
    // Promoted, not settled: nobody has been told yet.
    if (this.#rolling !== undefined) return;
    const consumers = await this.table.consumers(NAME);
    for (const [versionId, from] of this.#ending) {
      // Grace, at least until every read of AWSCURRENT has left it.
      if (this.now < from) continue;
      if (consumers.some((consumer) => mayHold(consumer, versionId, new Date(this.now)))) continue;
      this.#ending.delete(versionId);
      this.retired.add(versionId);
    }
  }

  /** A rotation from its start to its end, with `seconds` between the steps. */
  async rotate(seconds: number): Promise<void> {
    const steps = [() => this.startRotation(), () => this.release(), async () => this.promote(), () => this.settle()];
    for (const step of steps) {
      await step();
      await this.pass(seconds);
    }
  }

  async pass(seconds: number): Promise<void> {
    const end = this.now + seconds * 1000;
    for (;;) {
      await settled();
      const due = [...this.sleepers]
        .filter(({ owner }) => !owner.isDead && !owner.isFrozen)
        .map((sleeper) => ({ sleeper, at: this.now + Math.max(0, sleeper.until - sleeper.owner.monotonic()) }))
        .filter(({ at }) => at <= end)
        .sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#move(due.at);
      this.sleepers.delete(due.sleeper);
      due.sleeper.wake();
      await settled();
      await this.retire();
      this.check();
    }
    this.#move(end);
    await settled();
  }

  /** Whoever runs uses nothing that has been ended. */
  check(): void {
    for (const process of this.processes) {
      const { secrets, isDead, isFrozen } = process;
      if (secrets === undefined || isDead || isFrozen) continue;
      const versionId = versionInUse(secrets);
      if (versionId !== undefined && this.retired.has(versionId)) {
        throw new Violation(`${process.id} uses ${versionId}, which has been ended`);
      }
    }
    if (this.violations.length > 0) throw new Violation(this.violations.join('; '));
  }

  async checkBatches(): Promise<void> {
    for (let version = 1; version <= this.#versions; version += 1) {
      for (const { acknowledged } of await this.table.batches(NAME, `v${version}`)) {
        const wrong = acknowledged.filter(
          (id) => this.processes.find((process) => process.id === id)?.activated.has(`v${version}`) !== true,
        );
        if (wrong.length > 0) throw new Violation(`${wrong.join()} were counted for v${version}`);
      }
    }
  }

  #move(to: number): void {
    for (const process of this.processes) if (process.isFrozen) process.lost += to - this.now;
    this.now = to;
  }

  async #post(body: Pick<RolloutNotice, 'state' | 'versionId' | 'bounds' | 'released'>): Promise<void> {
    const sequence = ((await this.table.notice(NAME))?.sequence ?? 0) + 1;
    const { state, versionId, bounds, released } = body;
    const about = { secretId: NAME, rotationId: versionId };
    if (state === 'rolling') {
      const expected = this.processes.map(({ id }) => id);
      const batch = { ...about, number: released - 1, expected, stopsOnRefusal: false, token: 't' };
      await this.table.openBatch({ ...batch, openedAt: new Date(this.now) });
    }
    await this.table.post({ ...about, sequence, state, versionId, bounds, released });
  }
}

function versionInUse(secrets: Secrets<typeof NAME>): string | undefined {
  try {
    return secrets.current(NAME).versionId;
  } catch {
    return undefined;
  }
}

/** Every promise that can go on without time passing has. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
