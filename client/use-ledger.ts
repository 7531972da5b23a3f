import type { Use, UseReport } from '../shared/rollout/consumer.ts';

const KINDS_PER_REPORT = 50;
const UNSENT_REPORTS = 10;

type Sender = Omit<UseReport, 'number' | 'from' | 'to' | 'uses' | 'dropped'>;

/**
 * Counts the uses of one secret by what was done, what for and with which version, and makes numbered reports of them.
 * Bounded: what does not fit is counted in `dropped`, never kept.
 */
export class UseLedger {
  readonly #sender: Sender;
  readonly #now: () => Date;
  readonly #kinds = new Map<string, Use>();
  #unsent: UseReport[] = [];
  #dropped = 0;
  #number = 0;
  #from: Date;

  constructor(sender: Sender, now: () => Date) {
    this.#sender = sender;
    this.#now = now;
    this.#from = now();
  }

  count({ action, reason, versionId, count }: Use): void {
    if (count === 0) return;
    const kind = JSON.stringify([action, reason, versionId]);
    const known = this.#kinds.get(kind);
    if (known === undefined && this.#kinds.size >= KINDS_PER_REPORT) {
      this.#dropped += count;
      return;
    }
    this.#kinds.set(kind, { action, reason, versionId, count: (known?.count ?? 0) + count });
  }

  /**
   * Closes the report of the time since the last one, where there is anything to report, and sends what is unsent, the
   * oldest first. What cannot be sent stays for the next time.
   */
  async flush(send: (report: UseReport) => Promise<void>): Promise<void> {
    this.#close();
    for (const report of this.#unsent) {
      await send(report);
      this.#unsent = this.#unsent.filter((unsent) => unsent !== report);
    }
  }

  #close(): void {
    const to = this.#now();
    const from = this.#from;
    this.#from = to;
    if (this.#kinds.size === 0 && this.#dropped === 0) return;
    const report = { ...this.#sender, number: (this.#number += 1), from, to, uses: [...this.#kinds.values()] };
    this.#unsent.push({ ...report, dropped: this.#dropped });
    this.#kinds.clear();
    this.#dropped = 0;
    if (this.#unsent.length > UNSENT_REPORTS) this.#mergeOldest();
  }

  /** The gap in the numbers says that a report was lost; `dropped` of the next says how many uses were in it. */
  #mergeOldest(): void {
    const [oldest, next, ...later] = this.#unsent;
    if (oldest === undefined || next === undefined) return;
    const lost = oldest.uses.reduce((sum, { count }) => sum + count, oldest.dropped);
    this.#unsent = [{ ...next, from: oldest.from, dropped: next.dropped + lost }, ...later];
  }
}
