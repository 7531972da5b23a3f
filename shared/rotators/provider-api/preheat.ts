import type { Clock } from '../../clock.ts';
import { CandidateUnproven, Misconfigured, RateLimited, RekeyError } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';

const RETRY_MILLISECONDS = 1_000;

/**
 * Checks until `healthyThreshold` in a row find something, and answers the last find. `undefined`, "refused", and a
 * passing fault start the count again, until `preheatSeconds` have passed: then `CandidateUnproven`. A provider that says
 * when it answers again is asked then; `RateLimited` where that is too late.
 */
export async function preheat<Found>(
  { clock, settings }: { readonly clock: Clock; readonly settings: RotatorSettings },
  check: () => Promise<Found | undefined>,
): Promise<{ readonly healthy: number; readonly found: Found }> {
  const { preheatSeconds, healthyThreshold } = settings;
  const deadline = clock.now().getTime() + preheatSeconds * 1000;
  for (let healthy = 0; ; ) {
    let reason = 'it is refused.';
    let cause: unknown;
    let pause = RETRY_MILLISECONDS;
    try {
      const found = await check();
      if (found !== undefined) {
        healthy += 1;
        if (healthy >= healthyThreshold) return { healthy, found };
        continue;
      }
    } catch (error) {
      // Not a matter of time: the secret or the configuration is wrong. Anything else may pass.
      if (!(error instanceof RekeyError) || error instanceof Misconfigured) throw error;
      reason = error.safeMessage;
      cause = error;
      if (error instanceof RateLimited) pause = error.retryAfterSeconds * 1000;
    }
    healthy = 0;
    if (clock.now().getTime() + pause > deadline) {
      if (cause instanceof RateLimited) throw cause;
      throw new CandidateUnproven(`The candidate was not healthy within ${preheatSeconds} s: ${reason}`, { cause });
    }
    await clock.sleep(pause);
  }
}
