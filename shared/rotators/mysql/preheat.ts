import type { Clock } from '../../clock.ts';
import { CandidateUnproven, Misconfigured, RekeyError } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { Connector, Login, Session } from './connect.ts';

const RETRY_MILLISECONDS = 250;

/**
 * Logs in afresh until `healthyThreshold` checks in a row succeed, and hands the last session to `proved`. A failure
 * starts the count again and is retried until `preheatSeconds` have passed: then `CandidateUnproven`.
 */
export async function preheat<Result>(
  work: {
    readonly login: Login;
    readonly settings: RotatorSettings;
    readonly clock: Clock;
    readonly connector: Connector;
  },
  proved: (session: Session, healthy: number) => Promise<Result>,
): Promise<Result> {
  const { clock, settings, connector } = work;
  const deadline = clock.now().getTime() + settings.preheatSeconds * 1000;
  for (let healthy = 0; ; ) {
    const checked = await check(connector, work.login);
    if (checked.session !== undefined) {
      healthy += 1;
      try {
        if (healthy >= settings.healthyThreshold) return await proved(checked.session, healthy);
      } finally {
        connector.endLater(checked.session);
      }
      continue;
    }
    healthy = 0;
    if (clock.now().getTime() + RETRY_MILLISECONDS > deadline) {
      throw new CandidateUnproven(
        `The candidate was not healthy within ${settings.preheatSeconds} s: ${checked.reason}`,
        { cause: checked.cause },
      );
    }
    await clock.sleep(RETRY_MILLISECONDS);
  }
}

type Checked =
  | { readonly session: Session }
  | { readonly session?: undefined; readonly reason: string; readonly cause?: unknown };

async function check(connector: Connector, login: Login): Promise<Checked> {
  let session: Session | undefined;
  try {
    const opened = await connector.login(login);
    if ('refused' in opened) return { reason: 'the server refuses its login.', cause: opened.cause };
    session = opened;
    const [row] = await session.query<{ account: string }>(
      'checking the health of the candidate',
      'SELECT CURRENT_USER() AS account',
    );
    // A server may let a login in as another account: an anonymous one, a proxied one.
    if (row?.account.slice(0, row.account.lastIndexOf('@')) === login.username) return { session };
    await session.end();
    return { reason: 'the server takes its login for another account.' };
  } catch (error) {
    await session?.end();
    // Not a matter of time: the secret or the configuration is wrong. Anything else may pass (a restart, a failover).
    if (!(error instanceof RekeyError) || error instanceof Misconfigured) throw error;
    return { reason: error.safeMessage, cause: error };
  }
}
