import type { Answer, ConsumerWord, UseReport } from './consumer.ts';
import type { RolloutNotice } from './notice.ts';

/**
 * A consumer's side of the table: what a process that holds secrets reads and writes. Whatever it writes is stamped
 * with AWS's time at the start of the call (from the `Date` of earlier answers), whatever this machine's clock says.
 */
export interface ConsumerLink {
  /** The notices of these secrets, those that there are; eventually consistent, at most 100. */
  notices(secretIds: readonly string[]): Promise<ReadonlyMap<string, RolloutNotice>>;
  /** One notice, strongly consistent; `undefined` when the secret has never had one. */
  notice(secretId: string): Promise<RolloutNotice | undefined>;
  /** Writes its own item: a sign of life, and what it holds. */
  report(consumer: ConsumerWord): Promise<void>;
  /**
   * The same, only while the secret's notice is still at `consumer.sequence` (0: there is none): what Rekey decides
   * after a change of the notice, it decides with this consumer's word or without its deed. `superseded`: nothing is written.
   */
  announce(consumer: ConsumerWord): Promise<'announced' | 'superseded'>;
  /** Its own item and its answer, in one transaction. A second answer to the same rollout replaces the first. */
  answer(consumer: ConsumerWord, answer: Answer): Promise<void>;
  /** Hands in a report; the same number again changes nothing. */
  reportUse(report: UseReport): Promise<void>;
  /** Takes its own item away: it holds nothing any more. */
  leave(secretId: string, consumerId: string): Promise<void>;
}
