import { CandidateUnproven, Misconfigured, RekeyError } from '../../errors.ts';
import type { TestInput, TestReport } from '../rotator.ts';
import { type Api, apiOf, type HttpDependencies, opens } from './api.ts';
import { readStored, type StoredCredential } from './credential-value.ts';

const RETRY_MILLISECONDS = 500;

/**
 * Sends the test request until `healthyThreshold` in a row are accepted. A failure starts the count again and is tried
 * anew until `preheatSeconds` have passed: then `CandidateUnproven`.
 */
export async function testHttp(
  { settings, candidate }: TestInput,
  dependencies: HttpDependencies,
): Promise<TestReport> {
  const api = apiOf(settings, undefined, dependencies);
  const stored = readStored(candidate, 'candidate', api.declaration);
  const { clock } = api;
  const deadline = clock.now().getTime() + settings.preheatSeconds * 1000;
  for (let healthy = 0; ; ) {
    const { reason, cause } = await check(api, stored);
    if (reason === undefined) {
      healthy += 1;
      if (healthy >= settings.healthyThreshold) return { healthy, parity: ['test request'] };
      continue;
    }
    healthy = 0;
    if (clock.now().getTime() + RETRY_MILLISECONDS > deadline) {
      const text = `The candidate was not healthy within ${settings.preheatSeconds} s: ${reason}`;
      throw new CandidateUnproven(text, { cause });
    }
    await clock.sleep(RETRY_MILLISECONDS);
  }
}

async function check(
  api: Api,
  stored: StoredCredential,
): Promise<{ readonly reason: string | undefined; readonly cause?: unknown }> {
  try {
    const isAccepted = (await opens(api, stored)) === 'accepted';
    return { reason: isAccepted ? undefined : 'the API refuses it.' };
  } catch (error) {
    // Not a matter of time: the declaration or the value is wrong. Anything else may pass.
    if (!(error instanceof RekeyError) || error instanceof Misconfigured) throw error;
    return { reason: error.safeMessage, cause: error };
  }
}
