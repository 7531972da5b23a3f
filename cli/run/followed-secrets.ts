import { openSecrets } from '../../client/open-secrets.ts';
import type { Values } from './delivery.ts';

/** What `rekey run` needs of the consumer library. */
export interface FollowedSecrets {
  readonly names: readonly string[];
  /** What is in use now, counted as given to the command. Throws `SecretStale`. */
  values(): Values;
  /** Whatever comes next passes through `take`: it resolves when the command works with the values, and throws when it does not. */
  onReload(take: (values: Values) => Promise<void>): void;
  /** How long the values may still be used if nothing gets through any more; 0 or less: no longer. */
  secondsLeft(): number;
  /** Signs off: nothing is held any more. Nothing is answered after it is called. */
  close(): Promise<void>;
}

export interface FollowOptions {
  readonly environment: string;
  readonly agent: string | undefined;
  readonly boundSeconds: number;
  /** How long `take` may take. */
  readonly takeSeconds: number;
  /** `false`: the values of the start are kept, and Rekey waits with their retirement. */
  readonly hotReload: boolean;
}

export type OpenFollowed = (names: readonly string[], options: FollowOptions) => Promise<FollowedSecrets>;

/** On the consumer library. */
export const openFollowed: OpenFollowed = async (names, options) => {
  const secrets = await openSecrets(names, {
    environment: options.environment,
    boundSeconds: options.boundSeconds,
    proveSeconds: options.takeSeconds,
    hotReload: options.hotReload,
    ...(options.agent === undefined ? {} : { agent: options.agent }),
  });
  return {
    names,
    values: () => Object.fromEntries(names.map((name) => [name, secrets.use(name, 'given to a command')])),
    onReload: (take) => {
      secrets.onReload(names, take, (values) => {
        for (const name of Object.keys(values)) secrets.use(name, 'given to a command');
      });
    },
    secondsLeft: () => {
      const health = Object.values(secrets.health());
      return Math.min(
        ...health.map(({ versionId, confirmedSeconds }) =>
          versionId === undefined || confirmedSeconds === undefined ? 0 : options.boundSeconds - confirmedSeconds,
        ),
      );
    },
    close: () => secrets.close(),
  };
};
