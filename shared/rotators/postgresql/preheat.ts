import type { Clock } from '../../clock.ts';
import { CandidateUnproven, Misconfigured, RekeyError } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { Connector, Login, Session } from './connect.ts';
import { setRoleOf } from './role-facts.ts';
import { readOnlyRoleOf } from './role-names.ts';

const RETRY_MILLISECONDS = 250;

interface Health {
  readonly currentUser: string;
  readonly setRole: string | null;
  readonly isReadOnly: boolean;
}

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
    const checked = await check(work);
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

async function check(work: {
  readonly login: Login;
  readonly settings: RotatorSettings;
  readonly connector: Connector;
}): Promise<Checked> {
  let session: Session | undefined;
  try {
    const opened = await work.connector.login(work.login);
    if ('refused' in opened) return { reason: 'the server refuses its login.', cause: opened.cause };
    session = opened;
    const reason = await fault(session, work.settings);
    if (reason === undefined) return { session };
    await session.end();
    return { reason };
  } catch (error) {
    await session?.end();
    // Not a matter of time: the secret or the configuration is wrong. Anything else may pass (a restart, a failover).
    if (!(error instanceof RekeyError) || error instanceof Misconfigured) throw error;
    return { reason: error.safeMessage, cause: error };
  }
}

async function fault(session: Session, { mode, connection, privileges }: RotatorSettings): Promise<string | undefined> {
  const [health] = await session.query<Health>(
    'checking the health of the candidate',
    `SELECT current_user::text AS "currentUser",
            ${setRoleOf('(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)')} AS "setRole",
            current_setting('transaction_read_only') <> current_setting('default_transaction_read_only') AS "isReadOnly"`,
  );
  if (health === undefined) return 'it gets no answer.';
  // A standby says read-only whatever the role's settings are: a failover under way, or a reader's address.
  if (health.isReadOnly) return 'its sessions are read-only against its settings.';
  if (mode === 'single_role') return undefined;
  const configured = connection?.ownerRole;
  const isReadOnly = privileges === 'read_only';
  const role = (isReadOnly && configured !== undefined ? readOnlyRoleOf(configured) : configured) ?? health.setRole;
  if (role !== null && health.currentUser === role) return undefined;
  return `its sessions act as role "${health.currentUser}", not as ${role === null ? 'an owner role' : `"${role}"`}.`;
}
