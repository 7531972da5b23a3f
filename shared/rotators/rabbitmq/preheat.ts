import { CandidateUnproven, Misconfigured, RekeyError } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { LoginResult } from './amqp-login.ts';
import type { Broker } from './broker.ts';
import type { Login } from './credential-json.ts';

const RETRY_MILLISECONDS = 250;

/**
 * Logs in and opens a channel until `healthyThreshold` tries in a row succeed, and answers how many did. A failure
 * starts the count again and is retried until `preheatSeconds` have passed: then `CandidateUnproven`. Being one too many
 * (the connection of the try before is still closing) is neither: it is waited for.
 */
export async function preheat(login: Login, settings: RotatorSettings, broker: Broker): Promise<number> {
  const { clock } = broker;
  const deadline = clock.now().getTime() + settings.preheatSeconds * 1000;
  for (let healthy = 0; ; ) {
    const fault = await check(login, broker);
    if (fault === undefined) {
      healthy += 1;
      if (healthy >= settings.healthyThreshold) return healthy;
      continue;
    }
    if (!fault.isFull) healthy = 0;
    if (clock.now().getTime() + RETRY_MILLISECONDS > deadline) {
      throw new CandidateUnproven(
        `The candidate was not healthy within ${settings.preheatSeconds} s: ${fault.reason}`,
        { cause: fault.cause },
      );
    }
    await clock.sleep(RETRY_MILLISECONDS);
  }
}

interface Fault {
  readonly reason: string;
  readonly isFull: boolean;
  readonly cause: unknown;
}

async function check(login: Login, { logins }: Broker): Promise<Fault | undefined> {
  let result: LoginResult;
  try {
    result = await logins.login(login);
  } catch (error) {
    // Not a matter of time: the secret or the configuration is wrong. Anything else may pass (a restart, a failover).
    if (!(error instanceof RekeyError) || error instanceof Misconfigured) throw error;
    return { reason: error.safeMessage, isFull: false, cause: error };
  }
  if (result.kind === 'accepted') return undefined;
  const { cause } = result;
  if (result.kind === 'refused') return { reason: 'the broker refuses its login.', isFull: false, cause };
  if (result.kind === 'full') return { reason: 'its limit of connections is reached.', isFull: true, cause };
  return { reason: `the virtual host ${JSON.stringify(login.vhost)} is not opened to it.`, isFull: false, cause };
}
