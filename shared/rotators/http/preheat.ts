import { preheat } from '../provider-api/preheat.ts';
import type { TestInput, TestReport } from '../rotator.ts';
import { apiOf, type HttpDependencies, opens } from './api.ts';
import { readStored } from './credential-value.ts';

/** Sends the test request, as a pre-heat does; that it succeeds is all that can be compared. */
export async function testHttp(
  { settings, candidate }: TestInput,
  dependencies: HttpDependencies,
): Promise<TestReport> {
  const api = apiOf(settings, undefined, dependencies);
  const stored = readStored(candidate, 'candidate', api.declaration);
  const { healthy } = await preheat(api, async () => ((await opens(api, stored)) === 'accepted' ? true : undefined));
  return { healthy, parity: ['test request'] };
}
