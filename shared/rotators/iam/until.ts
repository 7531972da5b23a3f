import type { Clock } from '../../clock.ts';

/** Asks until the answer is not `undefined`, or `seconds` have passed. What a question throws is thrown on. */
export async function until<Answer>(
  clock: Clock,
  { seconds, everyMilliseconds }: { readonly seconds: number; readonly everyMilliseconds: number },
  question: () => Promise<Answer | undefined>,
): Promise<Answer | undefined> {
  const deadline = clock.now().getTime() + seconds * 1000;
  for (;;) {
    const answer = await question();
    if (answer !== undefined) return answer;
    if (clock.now().getTime() + everyMilliseconds > deadline) return undefined;
    await clock.sleep(everyMilliseconds);
  }
}
