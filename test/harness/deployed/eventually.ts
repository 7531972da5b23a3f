import { poll } from '../../../infra/local/poll.ts';

/** Asks until the answer is not `undefined`; fails with `what` when the deadline passes. */
export async function eventually<Answer>(
  what: string,
  question: () => Promise<Answer | undefined>,
  withinMilliseconds = 60_000,
): Promise<Answer> {
  const answer = await poll(question, { withinMilliseconds, everyMilliseconds: 100 });
  if (answer === undefined) throw new Error(`Not within ${withinMilliseconds} ms: ${what}`);
  return answer;
}
