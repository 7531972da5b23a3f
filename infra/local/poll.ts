import { setTimeout as pause } from 'node:timers/promises';

/**
 * Asks until the answer is not `undefined`, every `everyMilliseconds`, and returns it; `undefined` once
 * `withinMilliseconds` have passed. The question itself decides what a failure means: what it throws is thrown on.
 */
export async function poll<Answer>(
  question: () => Promise<Answer | undefined> | Answer | undefined,
  { withinMilliseconds, everyMilliseconds = 50 }: { withinMilliseconds: number; everyMilliseconds?: number },
): Promise<Answer | undefined> {
  const deadline = performance.now() + withinMilliseconds;
  for (;;) {
    const answer = await question();
    if (answer !== undefined) return answer;
    if (performance.now() >= deadline) return undefined;
    await pause(everyMilliseconds);
  }
}
