import { connect } from 'node:net';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import { describeEnd } from './child.ts';
import { runShell } from './shell.ts';

/** How to tell that the command works. */
export type HealthCheck =
  | { readonly kind: 'command'; readonly line: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** `tcp:PORT`, `tcp:HOST:PORT`, an http or https address, or else a line for /bin/sh. Throws a CommandFailure. */
export function parseHealthCheck(text: string): HealthCheck {
  if (text.trim() === '') throw usage('--health takes a command, a URL or tcp:PORT.');
  if (/^https?:\/\//i.test(text)) return { kind: 'url', url: checkedUrl(text) };
  if (!text.startsWith('tcp:')) return { kind: 'command', line: text };
  const [, host = 'localhost', port = ''] = /^tcp:(?:([^\s:]+|\[[\da-fA-F:]+\]):)?(\d{1,5})$/.exec(text) ?? [];
  const number = Number(port);
  if (!(number >= 1 && number <= 65_535)) throw usage('--health tcp:PORT takes a port from 1 to 65535.');
  return { kind: 'tcp', host: host.replaceAll(/[[\]]/g, ''), port: number };
}

/**
 * One attempt; answers why it failed, in fixed words and numbers, or `undefined`. Never throws; ends when `signal` is aborted.
 * Commands run with the environment that the command itself has.
 */
export async function checkHealth(
  check: HealthCheck,
  { env, signal }: { readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal },
): Promise<string | undefined> {
  switch (check.kind) {
    case 'command': {
      const end = await runShell(check.line, { env, signal });
      if (end === 'not_started') return 'the check could not be started';
      return 'code' in end && end.code === 0 ? undefined : `the check ended with ${describeEnd(end)}`;
    }
    case 'url':
      return checkUrl(check.url, signal);
    case 'tcp':
      return checkTcp(check, signal);
  }
}

/** Redirects are not followed: where they lead is not what was asked about. */
async function checkUrl(url: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal, redirect: 'manual' });
    await response.body?.cancel();
    return response.ok ? undefined : `it answered status ${response.status}`;
  } catch (error) {
    return `it did not answer (${codeOf(error)})`;
  }
}

function checkTcp(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    const done = (outcome: string | undefined) => (): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.once('connect', done(undefined));
    socket.once('error', (error) => done(`nothing listens (${codeOf(error)})`)());
  });
}

function checkedUrl(text: string): string {
  if (!URL.canParse(text)) throw usage('--health: this is not a URL.');
  const { username, password } = new URL(text);
  if (username !== '' || password !== '') {
    throw usage('--health: no user and password in a URL; everybody on this machine can read a command line.');
  }
  return text;
}

/** `ECONNREFUSED`, `TimeoutError`, …: of the error or of what caused it. */
function codeOf(error: unknown): string {
  for (let at = error, depth = 0; depth < 4 && at instanceof Error; at = at.cause, depth += 1) {
    const inner: unknown = at instanceof AggregateError ? at.errors[0] : undefined;
    const code = [at, inner].map((one) => (one as NodeJS.ErrnoException | undefined)?.code).find(isCode);
    if (code !== undefined) return code;
  }
  return error instanceof Error && /^\w{1,40}$/.test(error.name) ? error.name : 'unknown error';
}

function isCode(code: unknown): code is string {
  return typeof code === 'string' && /^[A-Z_\d]{1,40}$/.test(code);
}

function usage(sentence: string): CommandFailure {
  return new CommandFailure(sentence, EXIT_CODE.usage);
}
