import type { Batch } from './rollout-store.ts';

/** Everybody expected has answered, or one has refused where that ends the batch. */
export function isComplete(batch: Batch): boolean {
  if (batch.stopsOnRefusal && batch.refused.length > 0) return true;
  return silent(batch).length === 0;
}

/** Who was expected to answer and has not. */
export function silent({ expected, acknowledged, refused }: Batch): readonly string[] {
  const answered = new Set([...acknowledged, ...refused]);
  return expected.filter((consumerId) => !answered.has(consumerId));
}
