import type { ConsumerLink } from '../shared/rollout/consumer-link.ts';
import type { RolloutNotice } from '../shared/rollout/notice.ts';
import type { ClientClock } from './client-clock.ts';

export type Notices = ReadonlyMap<string, RolloutNotice>;

/** Somebody who wants the notices of some secrets. */
export interface Follower {
  readonly names: readonly string[];
  /** How long until the next poll at most; it changes with what the last one said. */
  readonly intervalSeconds: number;
  /** Called after every poll; `undefined` when it failed. Does not throw and is not waited for. */
  tick(notices: Notices | undefined, error?: unknown): void;
}

const NAMES_PER_CALL = 100;

/** As many names as there are, in as few calls as the link allows. */
export async function readNotices(link: ConsumerLink, names: readonly string[]): Promise<Notices> {
  const distinct = [...new Set(names)];
  const parts: Notices[] = [];
  for (let from = 0; from < distinct.length; from += NAMES_PER_CALL) {
    parts.push(await link.notices(distinct.slice(from, from + NAMES_PER_CALL)));
  }
  return new Map(parts.flatMap((part) => [...part]));
}

/** One loop for everybody in this process who follows the same table: one read for all of them. */
export class NoticePoller {
  readonly #link: ConsumerLink;
  readonly #clock: ClientClock;
  readonly #random: () => number;
  readonly #followers = new Set<Follower>();
  #loop: AbortController | undefined;

  constructor(options: { readonly link: ConsumerLink; readonly clock: ClientClock; readonly random: () => number }) {
    this.#link = options.link;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /** Answers how to stop. The loop ends with its last follower. */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    this.#restart();
    return () => {
      if (this.#followers.delete(follower) && this.#followers.size === 0) this.#loop?.abort();
    };
  }

  /** Asks now, and tells everybody. */
  async poll(): Promise<void> {
    const followers = [...this.#followers];
    try {
      const notices = await readNotices(
        this.#link,
        followers.flatMap(({ names }) => names),
      );
      for (const follower of followers) follower.tick(notices);
    } catch (error) {
      for (const follower of followers) follower.tick(undefined, error);
    }
  }

  /** A new follower may want to be told sooner than the sleep that is under way ends. */
  #restart(): void {
    this.#loop?.abort();
    const loop = new AbortController();
    this.#loop = loop;
    void this.#run(loop.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const seconds = Math.min(...[...this.#followers].map(({ intervalSeconds }) => intervalSeconds));
      // Jitter of a tenth, so that processes started together do not ask together.
      const milliseconds = seconds * 1000 * (0.9 + 0.2 * this.#random());
      const isOver = await this.#clock.sleep(milliseconds, signal).then(
        () => signal.aborted,
        () => true,
      );
      if (isOver) return;
      await this.poll();
    }
  }
}

const pollers = new WeakMap<ConsumerLink, NoticePoller>();

/** The poller of everybody in this process who has this link. */
export function pollerOf(options: {
  readonly link: ConsumerLink;
  readonly clock: ClientClock;
  readonly random: () => number;
}): NoticePoller {
  const known = pollers.get(options.link);
  if (known !== undefined) return known;
  const poller = new NoticePoller(options);
  pollers.set(options.link, poller);
  return poller;
}
