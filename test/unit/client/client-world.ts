import type { ClientClock } from '../../../client/client-clock.ts';
import { openSecrets } from '../../../client/open-secrets.ts';
import type { SecretsOptions } from '../../../client/options.ts';
import type { SecretReader, SecretReading } from '../../../client/secret-reader.ts';
import { SecretValue } from '../../../client/secret-value.ts';
import type { Secrets } from '../../../client/secrets.ts';
import type { Answer, ConsumerWord, UseReport } from '../../../shared/rollout/consumer.ts';
import type { ConsumerLink } from '../../../shared/rollout/consumer-link.ts';
import type { RolloutNotice } from '../../../shared/rollout/notice.ts';
import { InMemoryConsumers } from '../../fakes/in-memory-consumers.ts';

export const START = Date.parse('2026-03-01T12:00:00.000Z');

/** A clock that moves only when told to; whoever sleeps wakes then, in order. */
export class SteppedClock implements ClientClock {
  /** How far this machine's wall clock is from the truth. */
  skew = 0;
  #truth = START;
  #monotonic = 0;
  #sleepers: { readonly until: number; readonly wake: () => void }[] = [];

  wall(): number {
    return this.#truth + this.skew;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  get truth(): Date {
    return new Date(this.#truth);
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const sleeper = { until: this.#monotonic + milliseconds, wake };
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason as Error);
      };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Time passes; everything that follows from it has happened when this resolves. */
  async pass(seconds: number): Promise<void> {
    const end = this.#monotonic + seconds * 1000;
    for (;;) {
      await settled();
      const next = this.#sleepers.filter(({ until }) => until <= end).sort((a, b) => a.until - b.until)[0];
      if (next === undefined) break;
      this.#move(Math.max(0, next.until - this.#monotonic));
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      next.wake();
    }
    this.#move(end - this.#monotonic);
  }

  /** The process stands still while time passes: its timers and its monotonic clock with it. */
  freeze(seconds: number): void {
    this.#truth += seconds * 1000;
  }

  #move(milliseconds: number): void {
    this.#truth += milliseconds;
    this.#monotonic += milliseconds;
  }
}

/** Everything that can happen without time passing has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Secrets Manager: versions and the one that carries AWSCURRENT. */
export class FakeReader implements SecretReader {
  readonly reads: string[] = [];
  readonly #current = new Map<string, string>();
  readonly #texts = new Map<string, string>();
  onRead: (name: string) => Promise<void> = async () => undefined;

  put(
    name: string,
    versionId: string,
    text = JSON.stringify({ username: `user-${versionId}`, password: `pw-${versionId}` }),
  ): void {
    this.#texts.set(`${name}/${versionId}`, text);
  }

  promote(name: string, versionId: string): void {
    this.#current.set(name, versionId);
  }

  async read(
    name: string,
    which: { readonly versionId: string } | { readonly stage: 'AWSCURRENT' },
  ): Promise<SecretReading | undefined> {
    this.reads.push(`${name} ${'stage' in which ? which.stage : which.versionId}`);
    await this.onRead(name);
    const versionId = 'stage' in which ? this.#current.get(name) : which.versionId;
    const text = this.#texts.get(`${name}/${versionId}`);
    if (versionId === undefined || text === undefined) return undefined;
    return {
      value: new SecretValue({ name, versionId, text }),
      stages: this.#current.get(name) === versionId ? ['AWSCURRENT'] : ['AWSPENDING'],
    };
  }
}

/** One process's way to the table: its calls are noted, can be held up and can fail. */
export class ObservedLink implements ConsumerLink {
  readonly calls: string[] = [];
  /** Throws or waits in place of the network, before the call arrives. */
  before: (call: string, secretId: string) => Promise<void> = async () => undefined;
  after: (call: string, secretId: string) => Promise<void> = async () => undefined;
  readonly #table: ConsumerLink;

  constructor(table: ConsumerLink) {
    this.#table = table;
  }

  notices(secretIds: readonly string[]): Promise<ReadonlyMap<string, RolloutNotice>> {
    return this.#call('notices', '', () => this.#table.notices(secretIds));
  }

  notice(secretId: string): Promise<RolloutNotice | undefined> {
    return this.#call('notice', secretId, () => this.#table.notice(secretId));
  }

  report(consumer: ConsumerWord): Promise<void> {
    return this.#call(`report ${told(consumer)}`, consumer.secretId, () => this.#table.report(consumer));
  }

  announce(consumer: ConsumerWord): Promise<'announced' | 'superseded'> {
    return this.#call(`announce ${told(consumer)}`, consumer.secretId, () => this.#table.announce(consumer));
  }

  answer(consumer: ConsumerWord, answer: Answer): Promise<void> {
    const call = `${answer.outcome} ${told(consumer)}`;
    return this.#call(call, consumer.secretId, () => this.#table.answer(consumer, answer));
  }

  reportUse(report: UseReport): Promise<void> {
    return this.#call(`use ${report.number}`, report.secretId, () => this.#table.reportUse(report));
  }

  leave(secretId: string, consumerId: string): Promise<void> {
    return this.#call('leave', secretId, () => this.#table.leave(secretId, consumerId));
  }

  /** What has been called since the last time this was asked. */
  taken(): readonly string[] {
    return this.calls.splice(0);
  }

  async #call<Result>(call: string, secretId: string, run: () => Promise<Result>): Promise<Result> {
    this.calls.push(call);
    await this.before(call, secretId);
    const result = await run();
    await this.after(call, secretId);
    return result;
  }
}

function told({ holds, sequence }: ConsumerWord): string {
  return `[${holds.join(' ')}] @${sequence}`;
}

/** One process on stepped time, with the table and Secrets Manager in memory. */
export class ClientWorld {
  readonly clock = new SteppedClock();
  readonly table = new InMemoryConsumers(() => this.clock.truth);
  readonly reader = new FakeReader();
  readonly link = new ObservedLink(this.table);

  constructor() {
    this.reader.put('db', 'v1');
    this.reader.put('db', 'v2');
    this.reader.promote('db', 'v1');
  }

  open<const Name extends string = 'db'>(
    names: readonly Name[] = ['db'] as unknown as readonly Name[],
    options: SecretsOptions = {},
  ): Promise<Secrets<Name>> {
    const { clock, reader, link } = this;
    return openSecrets(names, {
      agent: 'billing',
      consumerId: 'me',
      clock,
      reader,
      link,
      random: () => 0.5,
      ...options,
    });
  }

  /** Posts the next notice; everybody is in its one batch. */
  async post(changes: Partial<RolloutNotice> = {}): Promise<RolloutNotice> {
    const { secretId = 'db', state = 'rolling', versionId = 'v2' } = changes;
    const sequence = ((await this.table.notice(secretId))?.sequence ?? 0) + 1;
    const isRolling = state === 'rolling';
    const notice: RolloutNotice = {
      secretId,
      sequence,
      state,
      rotationId: versionId,
      versionId,
      bounds: isRolling ? ['f'.repeat(16)] : [],
      released: isRolling ? 1 : 0,
      ...changes,
    };
    await this.table.post(notice);
    return notice;
  }

  async held(): Promise<readonly string[]> {
    return (await this.table.consumers('db'))[0]?.holds ?? [];
  }
}
