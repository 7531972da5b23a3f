import { ElapsedTime } from './elapsed-time.ts';
import { FollowedSecret } from './followed-secret.ts';
import { Holding } from './holding.ts';
import { pollerOf } from './notice-poller.ts';
import { type ResolvedOptions, resolveOptions, type SecretsOptions } from './options.ts';
import { Provers } from './provers.ts';
import { Secrets } from './secrets.ts';
import { ConsumerSession } from './session.ts';
import { UseLedger } from './use-ledger.ts';

/**
 * Reads the secrets, and from then on keeps them as Rekey's rollouts say until `close()`. Does not keep the process
 * alive. Throws, and leaves nothing behind, when one cannot be read: `SecretUnavailable`, or what AWS said.
 */
export async function openSecrets<const Name extends string>(
  names: readonly Name[],
  options: SecretsOptions = {},
): Promise<Secrets<Name>> {
  const resolved = resolveOptions(options);
  const { link, reader, clock, random } = resolved;
  const startedAt = new Date(clock.wall());
  const elapsed = new ElapsedTime(clock);
  const secrets = new Map(
    names.map((name) => [name as string, followedSecret(name, { ...resolved, startedAt, elapsed })] as const),
  );
  const provers = new Provers(clock, resolved.proveSeconds);
  const session = new ConsumerSession({
    secrets,
    provers,
    link,
    reader,
    clock,
    followSeconds: resolved.followSeconds,
    heartbeatSeconds: resolved.heartbeatSeconds,
    hotReload: resolved.hotReload,
  });
  await session.start();
  const unfollow = pollerOf({ link, clock, random }).follow(session);
  return new Secrets<Name>({ secrets, session, provers, clock, unfollow });
}

function followedSecret(
  name: string,
  options: ResolvedOptions & { readonly startedAt: Date; readonly elapsed: ElapsedTime },
): FollowedSecret {
  const { consumerId, agent, host, ipAddress, boundSeconds, clock, link, startedAt, elapsed } = options;
  const who = { secretId: name, consumerId, agent, host };
  return new FollowedSecret({
    holding: new Holding({
      identity: { ...who, startedAt, boundSeconds, ...(options.hotReload ? {} : { startsOnly: true }) },
      link,
      elapsed,
    }),
    uses: new UseLedger({ ...who, ipAddress }, () => new Date(clock.wall())),
    clock,
    elapsed,
  });
}
