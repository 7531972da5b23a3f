import type { Clock } from '../../clock.ts';
import { CandidateUnproven, Misconfigured, RekeyError } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { Connector } from './connect.ts';
import type { Credential } from './credential-json.ts';
import { loginAt } from './identity.ts';
import { nodesOf, onEvery, placesOf } from './nodes.ts';

const RETRY_MILLISECONDS = 250;

/**
 * Logs in afresh at every server until `healthyThreshold` rounds in a row succeed, and answers how many did. A failure
 * starts the count again and is retried until `preheatSeconds` have passed: then `CandidateUnproven`.
 */
export async function preheat(work: {
  readonly candidate: Credential;
  readonly settings: RotatorSettings;
  readonly clock: Clock;
  readonly connector: Connector;
}): Promise<number> {
  const { clock, settings } = work;
  const deadline = clock.now().getTime() + settings.preheatSeconds * 1000;
  for (let healthy = 0; ; ) {
    const fault = await check(work);
    if (fault === undefined) {
      healthy += 1;
      if (healthy >= settings.healthyThreshold) return healthy;
      continue;
    }
    healthy = 0;
    if (clock.now().getTime() + RETRY_MILLISECONDS > deadline) {
      throw new CandidateUnproven(
        `The candidate was not healthy within ${settings.preheatSeconds} s: ${fault.reason}`,
        { cause: fault.cause },
      );
    }
    await clock.sleep(RETRY_MILLISECONDS);
  }
}

async function check(work: {
  readonly candidate: Credential;
  readonly settings: RotatorSettings;
  readonly connector: Connector;
}): Promise<{ readonly reason: string; readonly cause?: unknown } | undefined> {
  const { candidate, settings, connector } = work;
  const nodes = nodesOf(candidate.login, settings.connection);
  try {
    const answers = await onEvery(nodes, (node) => connector.probe(loginAt(candidate, node)));
    const refusing = nodes.filter((_, index) => answers[index] === 'refused');
    if (refusing.length === 0) return undefined;
    return { reason: `its login is refused at ${placesOf(refusing)}.` };
  } catch (error) {
    // Not a matter of time: the secret or the configuration is wrong. Anything else may pass (a restart, a failover).
    if (!(error instanceof RekeyError) || error instanceof Misconfigured) throw error;
    return { reason: error.safeMessage, cause: error };
  }
}
