import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import './system.ts';

const REKEY = fileURLToPath(new URL('../../../cli/rekey.ts', import.meta.url));

export interface CommandResult {
  readonly exitCode: number | null;
  readonly output: string;
  readonly notes: string;
}

/** Runs `rekey` as a person would: a process of its own, which finds the deployment by its environment. */
export async function rekey(...words: readonly string[]): Promise<CommandResult> {
  const child = spawn(process.execPath, [REKEY, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  const [exitCode, output, notes] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  return { exitCode, output, notes };
}
