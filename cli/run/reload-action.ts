import { constants } from 'node:os';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import type { Medium } from './secret-spec.ts';

/**
 * How the command gets new values:
 *
 *     restart  it is stopped and started with them
 *     signal   it is sent a signal, and reads its files again
 *     exec     a line of /bin/sh is run with them
 *     none     nothing: it reads its files by itself
 */
export type ReloadAction =
  | { readonly kind: 'restart' }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'exec'; readonly line: string }
  | { readonly kind: 'none' };

/** Signals that end or stop a process whatever it would like to do about them. */
const FATAL: ReadonlySet<string> = new Set(['SIGKILL', 'SIGSTOP']);

/** Reads `restart`, `SIGNAME`, `exec:COMMAND` and `none`. Throws a CommandFailure. */
export function parseReloadAction(text: string, medium: Medium): ReloadAction {
  if (text === 'restart' || text === 'none') return { kind: text };
  if (text.startsWith('exec:') && text.slice('exec:'.length).trim() !== '') {
    return { kind: 'exec', line: text.slice('exec:'.length) };
  }
  if (!(text in constants.signals) || FATAL.has(text)) {
    throw usage('--on-reload takes restart, a signal such as SIGHUP, exec:COMMAND or none.');
  }
  if (medium === 'environment') {
    throw usage(`--on-reload ${text} needs --files: nobody can change the environment variables of a running process.`);
  }
  return { kind: 'signal', signal: text as NodeJS.Signals };
}

function usage(sentence: string): CommandFailure {
  return new CommandFailure(sentence, EXIT_CODE.usage);
}
