import { randomUUID } from 'node:crypto';
import type { ConsumerLink } from '../shared/rollout/consumer-link.ts';
import { type ClientClock, clientClock } from './client-clock.ts';
import { defaultLink, defaultReader, tableName } from './default-link.ts';
import { processIdentity } from './identity.ts';
import type { SecretReader } from './secret-reader.ts';

export interface SecretsOptions {
  /** The declared identity that this process is an instance of; it is in the audit trail. Default `application`. */
  readonly agent?: string;
  /** Which deployment of Rekey; default REKEY_ENVIRONMENT, else `production`. Names the table of consumers. */
  readonly environment?: string;
  /** That table's name, where it is another; default REKEY_CONSUMERS_TABLE. */
  readonly table?: string;
  /** How often notices are read; every second while a rollout is under way. Default 5, at least 1. */
  readonly followSeconds?: number;
  /** How often this process says what it holds. Default 60, at most 60: Rekey takes silence of 150 s for absence. */
  readonly heartbeatSeconds?: number;
  /**
   * How long values are used without a sign of life getting through; then `current()` throws. Default 3600, 86400 at most,
   * and two heartbeats at least. */
  readonly boundSeconds?: number;
  /** How long a check of a new value may take. Default 30, 1 to 300. */
  readonly proveSeconds?: number;
  /** `false`: new versions are taken when the process starts, only. Rekey waits with retirement until it has. */
  readonly hotReload?: boolean;
  /** For tests. */
  readonly link?: ConsumerLink;
  readonly reader?: SecretReader;
  readonly clock?: ClientClock;
  readonly random?: () => number;
  readonly consumerId?: string;
}

export type ResolvedOptions = Required<Omit<SecretsOptions, 'environment' | 'table'>> & {
  readonly host: string;
  readonly ipAddress: string;
};

/** Throws `RangeError` on a number out of its bounds. */
export function resolveOptions(options: SecretsOptions): ResolvedOptions {
  const heartbeatSeconds = within('heartbeatSeconds', options.heartbeatSeconds ?? 60, [5, 60]);
  return {
    agent: options.agent ?? 'application',
    followSeconds: within('followSeconds', options.followSeconds ?? 5, [1, 60]),
    heartbeatSeconds,
    boundSeconds: within('boundSeconds', options.boundSeconds ?? 3600, [2 * heartbeatSeconds, 86_400]),
    proveSeconds: within('proveSeconds', options.proveSeconds ?? 30, [1, 300]),
    hotReload: options.hotReload ?? true,
    link: options.link ?? defaultLink(tableName(options)),
    reader: options.reader ?? defaultReader(),
    clock: options.clock ?? clientClock,
    random: options.random ?? Math.random,
    consumerId: options.consumerId ?? randomUUID(),
    ...processIdentity(),
  };
}

function within(name: string, value: number, [least, most]: readonly [number, number]): number {
  if (value >= least && value <= most) return value;
  throw new RangeError(`${name} must be between ${least} and ${most}.`);
}
