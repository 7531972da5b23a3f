import type { Clock } from '../../shared/clock.ts';
import type { OpenFollowed } from './followed-secrets.ts';
import type { HealthCheck } from './health-check.ts';
import type { SignalSource } from './passed-signals.ts';
import type { ReloadAction } from './reload-action.ts';
import type { Tell } from './run-events.ts';
import type { Medium, SecretSpec } from './secret-spec.ts';

export interface RunOptions {
  readonly command: readonly [string, ...string[]];
  readonly specs: readonly SecretSpec[];
  readonly medium: Medium;
  /** Where the files go; `undefined`: a directory in memory, if there is one. */
  readonly directory: string | undefined;
  readonly action: ReloadAction;
  readonly health: HealthCheck | undefined;
  /** From SIGTERM to SIGKILL. */
  readonly stopSeconds: number;
  /** How long the health check may take to pass, and the line of `exec` to end. */
  readonly healthSeconds: number;
  /** Without a health check: how long the command has to keep running to count as working. */
  readonly settleSeconds: number;
  readonly boundSeconds: number;
  readonly onStale: 'exit' | 'keep';
  readonly requireAll: boolean;
  readonly environment: string;
  readonly agent: string | undefined;
  /** Standard input is a terminal: the command stays in its foreground group. */
  readonly isTerminal: boolean;
}

export interface RunPorts {
  readonly open: OpenFollowed;
  readonly tell: Tell;
  readonly clock: Clock;
  readonly signals: SignalSource;
  /** What the command inherits. */
  readonly env: NodeJS.ProcessEnv;
}

/** Ending groups of processes, writing files, starting. */
const SLACK_SECONDS = 15;

/** The longest that taking new values and going back to the old ones can last. */
export function takeSeconds({
  action,
  stopSeconds,
  healthSeconds,
}: Pick<RunOptions, 'action' | 'stopSeconds' | 'healthSeconds'>): number {
  // A command that ends by itself on a signal or `exec` is started anew, and may have left processes to stop.
  const reached = action.kind === 'exec' ? Math.max(healthSeconds, stopSeconds) : stopSeconds;
  return 2 * (reached + healthSeconds) + SLACK_SECONDS;
}
