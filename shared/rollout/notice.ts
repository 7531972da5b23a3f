/**
 * What the consumers of one secret are told: one item, written by Rekey alone, read by every consumer.
 *
 *     settled    everybody takes AWSCURRENT, which is `versionId`
 *     rolling    consumers of the first `released` batches take `versionId`, the candidate; the others stay
 *     returning  whoever has `versionId`, the candidate, goes back to AWSCURRENT
 */
export interface RolloutNotice {
  readonly secretId: string;
  /** Grows by one with every change. Consumers compare it, and announce what they are about to do under it. */
  readonly sequence: number;
  readonly state: 'settled' | 'rolling' | 'returning';
  /** The rotation it belongs to; for a reload on request, the id of that request. */
  readonly rotationId: string;
  readonly versionId: string;
  /** The upper bound of each batch in positions, ascending; empty unless rolling. */
  readonly bounds: readonly string[];
  /** How many batches have been released. */
  readonly released: number;
}
