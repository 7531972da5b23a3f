import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { isRunning } from './process-group.ts';

/** What `.local/cloud.json` says about the emulator that `rekey local up` left running. */
const emulatorState = z.strictObject({
  pid: z.int().positive(),
  port: z.int().positive(),
  startedAt: z.iso.datetime(),
  /** Its own temporary directory, removed with it. */
  scratch: z.string(),
  logFile: z.string(),
});
export type EmulatorState = z.infer<typeof emulatorState>;

const fileIn = (directory: string): string => join(directory, 'cloud.json');

/**
 * The emulator that runs, or `undefined`. A file left behind by a machine that went down, whose process id may belong
 * to somebody else by now, is recognised by the command line of that process, and removed.
 */
export async function readEmulatorState(directory: string): Promise<EmulatorState | undefined> {
  const text = await readFile(fileIn(directory), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const state = parse(text);
  if (state !== undefined && isRunning(state.pid) && commandLineOf(state.pid).includes(portArgument(state.port)))
    return state;
  await removeEmulatorState(directory);
  if (state !== undefined) await rm(state.scratch, { recursive: true, force: true });
  return undefined;
}

export async function writeEmulatorState(directory: string, state: EmulatorState): Promise<void> {
  const draft = `${fileIn(directory)}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(state, undefined, 2)}\n`);
  await rename(draft, fileIn(directory));
}

export async function removeEmulatorState(directory: string): Promise<void> {
  await rm(fileIn(directory), { force: true });
}

/** The argument that makes an emulator's command line recognisable. */
export function portArgument(port: number): string {
  return `--rekey-port=${port}`;
}

function parse(text: string): EmulatorState | undefined {
  try {
    return emulatorState.parse(JSON.parse(text));
  } catch {
    // Half a file, or one of another version of Rekey: nothing that we could trust.
    return undefined;
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // No /proc on macOS.
  }
  try {
    return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  } catch {
    // It ended between the question and the answer.
    return '';
  }
}
