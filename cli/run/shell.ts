import { spawn } from 'node:child_process';
import { signalGroup } from './process-group.ts';
import type { End } from './child.ts';

/**
 * Runs a line of /bin/sh in a process group of its own and answers how it ended. When `signal` is aborted the group is
 * killed. Its output is dropped: it might be a value, and a health check repeats itself.
 */
export function runShell(
  line: string,
  { env, signal }: { readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal },
): Promise<End | 'not_started'> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', line], { env, stdio: 'ignore', detached: true });
    const kill = (): void => {
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    };
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
    child.once('error', () => resolve('not_started'));
    child.once('exit', (code, by) => {
      signal.removeEventListener('abort', kill);
      resolve(by === null ? { code: code ?? 0 } : { signal: by });
    });
  });
}
