import type { UseReport } from '../shared/rollout/consumer.ts';
import type { RolloutNotice } from '../shared/rollout/notice.ts';
import { type Change, type ChangePorts, prepareChange, startChange } from './change.ts';
import { describeFailure } from './describe-failure.ts';
import type { FollowedSecret } from './followed-secret.ts';
import { type Follower, type Notices, readNotices } from './notice-poller.ts';
import type { Provers, Values } from './provers.ts';
import { refusedChanges } from './refused-changes.ts';

export interface SessionOptions extends ChangePorts {
  readonly secrets: ReadonlyMap<string, FollowedSecret>;
  readonly provers: Provers;
  readonly followSeconds: number;
  readonly heartbeatSeconds: number;
  readonly hotReload: boolean;
}

const HURRIED_SECONDS = 1;
const FLUSH_MILLISECONDS = 60_000;

/**
 * One process among the consumers: keeps Rekey told of what it holds, and moves its secrets as the notices say. One
 * change at a time; signs of life go on beside it.
 */
export class ConsumerSession implements Follower {
  readonly names: readonly string[];
  readonly #options: SessionOptions;
  readonly #secrets: ReadonlyMap<string, FollowedSecret>;
  readonly #notices = new Map<string, RolloutNotice>();
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #beating: Promise<void> | undefined;
  #polledAt = Number.NEGATIVE_INFINITY;
  #flushedAt: number;
  #isClosed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#secrets = options.secrets;
    this.names = [...options.secrets.keys()];
    this.#flushedAt = options.clock.monotonic();
  }

  get intervalSeconds(): number {
    const { followSeconds, hotReload } = this.#options;
    const isMoving = hotReload && [...this.#notices.values()].some(({ state }) => state !== 'settled');
    return isMoving ? Math.min(HURRIED_SECONDS, followSeconds) : followSeconds;
  }

  /** Reads every secret for the first time, all or none. */
  async start(): Promise<void> {
    try {
      await this.#inTurn(async () => {
        const secrets = [...this.#secrets.values()];
        const outcomes = await Promise.allSettled(
          secrets.map((secret) => startChange(secret, this.#options, 'startup')),
        );
        const fault = outcomes.find((outcome) => outcome.status === 'rejected');
        if (fault !== undefined) throw fault.reason;
        await this.#apply(outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])));
      });
    } catch (error) {
      await this.leave();
      throw error;
    }
  }

  tick(notices: Notices | undefined, error?: unknown): void {
    if (this.#isClosed) return;
    if (notices === undefined) this.#noteAll(error);
    else this.#saw(notices);
    void this.beat();
    // A change that is under way is not waited for: the next poll says the same again.
    if (this.#waiting === 0) void this.#inTurn(() => this.#act(notices));
  }

  /** Whether a poll and every sign of life are as recent as they would be with running timers. */
  get isRecent(): boolean {
    const { clock, followSeconds, heartbeatSeconds } = this.#options;
    if (clock.monotonic() - this.#polledAt > followSeconds * 1000) return false;
    return [...this.#secrets.values()].every(
      ({ value, confirmedSeconds }) => value !== undefined && (confirmedSeconds ?? Infinity) <= heartbeatSeconds,
    );
  }

  /** Does at once what the timers would have done. Faults are noted, not thrown. */
  async catchUp(): Promise<void> {
    await this.#inTurn(async () => {
      let notices: Notices | undefined;
      try {
        notices = await readNotices(this.#options.link, this.names);
        this.#saw(notices);
      } catch (error) {
        this.#noteAll(error);
      }
      await this.#act(notices);
    });
    await this.beat();
  }

  /** Reads AWSCURRENT anew and takes it where it is another, as far as no rollout says otherwise. */
  async refresh(): Promise<void> {
    await this.catchUp();
    if (!this.#options.hotReload) return;
    await this.#inTurn(async () => {
      const changes = await this.#each(async (secret) => {
        const notice = await this.#options.link.notice(secret.name);
        if (secret.value === undefined || (notice !== undefined && notice.state !== 'settled')) return undefined;
        const current = await this.#options.reader.read(secret.name, { stage: 'AWSCURRENT' });
        if (current === undefined || current.value.versionId === secret.value.versionId) return undefined;
        const outcome = await secret.holding.announce(current.value.versionId, notice?.sequence ?? 0);
        return outcome === 'superseded' ? undefined : { secret, value: current.value, notice, outcome: undefined };
      });
      await this.#apply(changes);
    });
  }

  /** Tries what else may be used instead of a refused value, in order, until one proves itself. */
  async replaceRefused(secret: FollowedSecret): Promise<boolean> {
    const before = secret.value?.versionId;
    await this.#inTurn(async () => {
      try {
        for await (const change of refusedChanges(secret, this.#options)) {
          const failed = await this.#apply([change]);
          if (failed.size > 0) continue;
          // The notice may have been waiting for just this.
          if (change.value.versionId !== before) secret.undone();
          return;
        }
      } catch (error) {
        this.#note(secret, error);
      }
    });
    return secret.value !== undefined && secret.value.versionId !== before;
  }

  /** The signs of life and reports that are due. Never rejects. */
  beat(): Promise<void> {
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = undefined;
    });
    return this.#beating;
  }

  /** Sends what has been counted. Never rejects. */
  async flush(): Promise<void> {
    this.#flushedAt = this.#options.clock.monotonic();
    const send = (report: UseReport): Promise<void> => this.#options.link.reportUse(report);
    await this.#each(async (secret) => {
      secret.countReads();
      await secret.uses.flush(send);
    });
  }

  /** Stops and takes its items away; does not wait for a change that hangs. Never rejects. */
  async leave(): Promise<void> {
    this.#isClosed = true;
    await this.#each(async (secret) => {
      secret.drop();
      await secret.holding.leave();
    });
  }

  get inUse(): Values {
    const values = [...this.#secrets.values()].flatMap(({ name, value }) =>
      value === undefined ? [] : [[name, value]],
    );
    return Object.fromEntries(values) as Values;
  }

  async #beat(): Promise<void> {
    const { heartbeatSeconds, clock } = this.#options;
    await this.#each(async (secret) => {
      if (secret.value !== undefined && (secret.confirmedSeconds ?? 0) >= heartbeatSeconds) await this.#report(secret);
    });
    if (clock.monotonic() - this.#flushedAt >= FLUSH_MILLISECONDS) await this.flush();
  }

  async #act(notices: Notices | undefined): Promise<void> {
    const changes = await this.#each(async (secret) => {
      if (secret.value === undefined) {
        return secret.isRetryDue ? startChange(secret, this.#options, 'reload') : undefined;
      }
      const notice = notices?.get(secret.name);
      if (notice === undefined || secret.isDone(notice)) return undefined;
      if (this.#options.hotReload) return prepareChange(secret, notice, this.#options);
      secret.done(notice.sequence);
      return undefined;
    });
    await this.#apply(changes);
    await this.#each(async (secret) => {
      if (secret.owed !== undefined && secret.value !== undefined) await this.#report(secret);
    });
  }

  /**
   * Proves, and takes all that passed into use at once: between the first and the last of them nobody else runs.
   * Answers why each that failed did.
   */
  async #apply(changes: readonly Change[]): Promise<ReadonlyMap<string, string>> {
    if (changes.length === 0) return new Map();
    const { provers } = this.#options;
    const failed = new Map(await provers.prove(valuesOf(changes), this.inUse));
    // Meanwhile the bound may have passed, and with it the right to use what was announced.
    const lasting = changes.filter(({ secret }) => !this.#isClosed && !secret.holding.isStale);
    const passed = lasting.filter(({ secret }) => !failed.has(secret.name));
    const left = passed.map(({ secret, value }) => [secret, secret.replace(value)] as const);
    const unusable = await provers.activate(valuesOf(passed), this.inUse);
    for (const [secret, old] of left) {
      const said = unusable.get(secret.name);
      secret.activated(old, said === undefined);
      if (said !== undefined) failed.set(secret.name, said);
    }
    await Promise.all(lasting.map((change) => this.#conclude(change, failed.get(change.secret.name))));
    return failed;
  }

  /** Settles what is held and what is answered, and says it. */
  async #conclude({ secret, value, notice, outcome }: Change, said: string | undefined): Promise<void> {
    if (said === undefined) secret.noteSuccess();
    else secret.noteError(said);
    if (secret.value === undefined) {
      // A start whose value failed: nothing is in use, and AWSCURRENT is tried again later.
      secret.failed(-1);
      return;
    }
    secret.holding.keep([secret.value.versionId, ...secret.lingering], notice?.sequence ?? 0);
    if (outcome !== undefined && notice !== undefined) {
      this.#settle(secret, notice, said);
      secret.owe({
        outcome: said === undefined ? outcome : 'refused',
        said: said ?? '',
        notice,
        answeredAt: new Date(this.#options.clock.wall()),
      });
    } else if (secret.acted === -1 && notice?.state === 'settled' && value.versionId === notice.versionId) {
      secret.done(notice.sequence);
    }
    await this.#report(secret);
  }

  #settle(secret: FollowedSecret, { sequence, state }: RolloutNotice, said: string | undefined): void {
    const isLeftAlone = state === 'rolling' && secret.lingering.length === 0;
    if (said === undefined || isLeftAlone) secret.done(sequence);
    else secret.failed(sequence);
  }

  /** Says what is held, with the answer that is due. What does not get through is said again. */
  async #report(secret: FollowedSecret): Promise<void> {
    const answer = secret.owed;
    try {
      if (answer === undefined) await secret.holding.report();
      else await secret.holding.answer(answer);
      secret.delivered(answer);
    } catch (error) {
      this.#note(secret, error);
    }
  }

  /** For every secret at once; a fault of one is noted with it and stops no other. */
  async #each<Result>(
    work: (secret: FollowedSecret) => Promise<Result | undefined>,
  ): Promise<readonly NonNullable<Result>[]> {
    const results = await Promise.all(
      [...this.#secrets.values()].map(async (secret) => {
        try {
          return await work(secret);
        } catch (error) {
          this.#note(secret, error);
          return undefined;
        }
      }),
    );
    return results.filter((result) => result !== undefined && result !== null);
  }

  #saw(notices: Notices): void {
    this.#polledAt = this.#options.clock.monotonic();
    for (const name of this.names) {
      const notice = notices.get(name);
      if (notice !== undefined) this.#notices.set(name, notice);
    }
  }

  #noteAll(error: unknown): void {
    for (const secret of this.#secrets.values()) this.#note(secret, error);
  }

  #note(secret: FollowedSecret, error: unknown): void {
    secret.noteError(describeFailure(error, Object.values(this.inUse)));
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#waiting += 1;
    const mine = this.#turn.then(work).finally(() => {
      this.#waiting -= 1;
    });
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}

function valuesOf(changes: readonly Change[]): Values {
  return Object.fromEntries(changes.map(({ secret, value }) => [secret.name, value]));
}
