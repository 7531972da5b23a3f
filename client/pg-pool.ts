import { type ClientClock, clientClock } from './client-clock.ts';
import { type ClientLike, type ClientOf, DrainingPool, type PoolLike } from './draining-pool.ts';
import { SecretNotJson } from './errors.ts';
import type { SecretValue } from './secret-value.ts';
import type { Secrets } from './secrets.ts';

const DRAIN_SECONDS = 300;
/** A server that does not answer fails the check before its own time is over. */
const TRIAL_MILLISECONDS = 10_000;

/** SQLSTATE of a login that is not let in: a wrong password; a role that may not log in. */
const REFUSED_LOGINS: ReadonlySet<unknown> = new Set(['28P01', '28000']);

type Config = Readonly<Record<string, unknown>>;

/** What a pool of `pg` is given besides the login; `ssl`, `max` and so on pass through. */
export interface PgPoolOptions<Pool extends PoolLike> extends Config {
  /** `Pool` of the `pg` that the application uses. */
  readonly Pool: new (
    config: never,
  ) => Pool;
  /** How long sessions of an old login may go on after a reload; then they are ended. Default 300. */
  readonly drainSeconds?: number;
  /** For tests. */
  readonly clock?: ClientClock;
}

/** A pool whose login is reloaded under it: `query`, `connect` and `end` as `pg.Pool` has them, with promises. */
export interface RotatingPool<Pool extends PoolLike> {
  readonly query: Pool['query'];
  readonly connect: () => Promise<ClientOf<Pool>>;
  /** Ends every session, of old logins too, once it is free. */
  readonly end: () => Promise<void>;
}

/**
 * A pool of PostgreSQL connections with the login in the secret `name` (JSON: `host`, `port`, `username`, `password`,
 * `dbname`). A new login proves itself by `SELECT 1` before it is used; sessions of the old one finish what they run. A
 * login that the server refuses is replaced, and the connection tried once more; a statement is never sent twice.
 */
export function pgPool<Name extends string, Pool extends PoolLike>(
  secrets: Secrets<Name>,
  name: NoInfer<Name>,
  { Pool, drainSeconds = DRAIN_SECONDS, clock = clientClock, ...config }: PgPoolOptions<Pool>,
): RotatingPool<Pool> {
  const make = (value: SecretValue, more: Config = {}): DrainingPool =>
    new DrainingPool(new Pool({ ...config, ...loginOf(value), ...more } as never), value.versionId);
  let inUse = make(secrets.use(name, 'pg_pool'));
  const draining = new Set<Promise<void>>();

  const forget = secrets.onReload(
    name,
    async (value) => {
      const trial = make(value, { max: 1, min: 0, connectionTimeoutMillis: TRIAL_MILLISECONDS });
      try {
        await trial.query('SELECT 1');
      } finally {
        await trial.drain({ milliseconds: 0, clock });
      }
    },
    (value) => {
      if (value.versionId === inUse.versionId) return;
      const old = inUse;
      inUse = make(value);
      const drained = old.drain({ milliseconds: drainSeconds * 1000, clock }).finally(() => draining.delete(drained));
      draining.add(drained);
    },
  );

  /** Only getting the connection is tried again: no statement has been sent then. */
  async function connected(): Promise<ClientLike> {
    // Throws when the login may have been ended, and counts as a use of it.
    secrets.current(name);
    const tried = inUse;
    try {
      return await tried.connect();
    } catch (error) {
      if (!isRefusedLogin(error) || !(await secrets.reportRefused(name, tried.versionId))) throw error;
      return inUse.connect();
    }
  }

  async function query(...args: readonly unknown[]): Promise<unknown> {
    const client = await connected();
    return DrainingPool.queryAndRelease(client, args);
  }

  return {
    query,
    connect: connected as RotatingPool<Pool>['connect'],
    end: async () => {
      forget();
      await Promise.all([inUse.drain({ milliseconds: drainSeconds * 1000, clock }), ...draining]);
    },
  };
}

function isRefusedLogin(error: unknown): boolean {
  return error instanceof Error && REFUSED_LOGINS.has((error as { readonly code?: unknown }).code);
}

/** https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html */
function loginOf(value: SecretValue): Config {
  const { host, port, username, password, dbname } = value.json();
  if (typeof username !== 'string' || typeof password !== 'string') {
    throw new SecretNotJson(`The value of "${value.name}" has no "username" and "password".`);
  }
  return {
    user: username,
    // As a function, so that a pool that is printed shows none.
    password: () => password,
    ...(typeof host === 'string' ? { host } : {}),
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(typeof dbname === 'string' ? { database: dbname } : {}),
  };
}
