import type { Answer, ConsumerWord } from '../../shared/rollout/consumer.ts';
import { isReleased } from '../../shared/rollout/position.ts';
import type { InMemoryConsumers } from '../fakes/in-memory-consumers.ts';

/** How a simulated consumer takes the candidate. */
export type Manner = 'acknowledges' | 'refuses' | 'hangs' | 'vanishes';

/** The smallest consumer that keeps the protocol: it follows when it is told to look. */
export class SimulatedConsumer {
  holds: string;
  manner: Manner;
  readonly consumerId: string;
  readonly agent: string;
  readonly #secretId: string;
  readonly #table: InMemoryConsumers;
  readonly #startedAt: Date;
  readonly #boundSeconds: number;
  #sequence = 0;

  constructor(options: {
    readonly consumerId: string;
    readonly secretId: string;
    readonly holds: string;
    readonly table: InMemoryConsumers;
    readonly startedAt: Date;
    readonly manner?: Manner;
    readonly boundSeconds?: number;
    readonly agent?: string;
  }) {
    this.consumerId = options.consumerId;
    this.agent = options.agent ?? 'billing-agent';
    this.holds = options.holds;
    this.manner = options.manner ?? 'acknowledges';
    this.#secretId = options.secretId;
    this.#table = options.table;
    this.#startedAt = options.startedAt;
    this.#boundSeconds = options.boundSeconds ?? 3600;
  }

  async start(): Promise<this> {
    this.#sequence = (await this.#table.notice(this.#secretId))?.sequence ?? 0;
    await this.#table.report(this.#word([this.holds]));
    return this;
  }

  /** A sign of life. */
  async beat(): Promise<void> {
    await this.#table.report(this.#word([this.holds]));
  }

  /** Looks at the notice and does what it says; `current` is what AWSCURRENT is for one that must go back or settle. */
  async look(current: string): Promise<void> {
    const notice = await this.#table.notice(this.#secretId);
    if (notice === undefined || notice.sequence === this.#sequence || this.manner === 'vanishes') return;
    const wanted = isReleased(notice, this.consumerId) ? notice.versionId : current;
    if (notice.state === 'rolling' && wanted !== notice.versionId) return;
    this.#sequence = notice.sequence;
    if (wanted === this.holds) return;
    if ((await this.#table.announce(this.#word([this.holds, wanted]))) === 'superseded') return;
    if (this.manner === 'hangs') return;
    const outcome = this.manner === 'refuses' ? 'refused' : notice.state === 'returning' ? 'returned' : 'acknowledged';
    if (outcome !== 'refused') this.holds = wanted;
    const answer: Answer = {
      secretId: this.#secretId,
      rotationId: notice.rotationId,
      consumerId: this.consumerId,
      agent: this.agent,
      host: 'host-1',
      versionId: notice.versionId,
      outcome,
      said: outcome === 'refused' ? 'ECONNREFUSED: no route to the database' : '',
      answeredAt: this.#startedAt,
    };
    await this.#table.answer(this.#word([this.holds]), answer);
  }

  #word(holds: readonly string[]): ConsumerWord {
    return {
      secretId: this.#secretId,
      consumerId: this.consumerId,
      agent: this.agent,
      host: 'host-1',
      startedAt: this.#startedAt,
      boundSeconds: this.#boundSeconds,
      holds,
      sequence: this.#sequence,
    };
  }
}
