import type { Answer, Consumer } from './consumer.ts';
import type { RolloutNotice } from './notice.ts';

/** Rekey's side of the table. Everything is strongly consistent. */
export interface RolloutStore {
  notice(secretId: string): Promise<RolloutNotice | undefined>;
  /** Writes the notice that follows `sequence` (0: there is none yet), by compare-and-swap. */
  post(notice: RolloutNotice): Promise<'posted' | 'conflict'>;
  /** Everybody who has an item, alive or not. */
  consumers(secretId: string): Promise<readonly Consumer[]>;
  /** Writes a batch, or its new token; what was answered stays. */
  openBatch(batch: OpenBatch): Promise<Batch>;
  /** Adds answers to a batch: each consumer counts once for each outcome. `undefined` when there is no such batch. */
  addAnswers(batch: BatchId, answers: BatchAnswers): Promise<Batch | undefined>;
  /** What was answered to a rollout, in no order; the last word of each consumer. */
  answers(secretId: string, rotationId: string): Promise<readonly Answer[]>;
  /** The batches of a rollout that have been opened, in order. */
  batches(secretId: string, rotationId: string): Promise<readonly Batch[]>;
}

/** Step Functions' tasks that wait for a batch. */
export interface TaskTokens {
  /** Wakes the task. A word too late is passed over: the task has ended by itself. */
  succeed(token: string): Promise<void>;
}

export interface BatchId {
  readonly secretId: string;
  readonly rotationId: string;
  /** 0, 1, 2 … */
  readonly number: number;
}

export interface OpenBatch extends BatchId {
  /** Consumers that were alive when the rollout was planned: at most 100. */
  readonly expected: readonly string[];
  /** Whether one refusal ends the batch at once. */
  readonly stopsOnRefusal: boolean;
  /** Step Functions' token of the task that waits for this batch. */
  readonly token: string;
  readonly openedAt: Date;
}

export interface BatchAnswers {
  readonly acknowledged: readonly string[];
  readonly refused: readonly string[];
}

export interface Batch extends OpenBatch, BatchAnswers {}
