import { execFile } from 'node:child_process';
import { ReloadUnproven } from './errors.ts';
import { isRecord } from './protocol.ts';

/** What is asked of a running gateway. */
export interface GatewayRpc {
  /** `secrets.reload`: `ok` may mean that everything is as before (see `warningCount`). */
  reload(signal: AbortSignal): Promise<{ readonly ok: boolean; readonly warningCount: number }>;
  status(signal: AbortSignal): Promise<GatewayStatus>;
}

export interface GatewayStatus {
  /** The gateway's own process. */
  readonly pid: number;
  /** What keeps an old value or has none, by its name. */
  readonly degraded: readonly string[];
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
}

export type RunCommand = (
  words: readonly string[],
  options: { readonly environment: NodeJS.ProcessEnv; readonly signal: AbortSignal },
) => Promise<CommandResult>;

/** What the command needs of the environment; not the credentials of AWS, for one. */
const PASSED = /^(?:PATH|HOME|USER|TMPDIR|LANG|LC_.*|NODE_EXTRA_CA_CERTS|OPENCLAW_.*)$/;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * GatewayRpc by the command `openclaw`. Token and address go by the environment: a command line is for everybody on
 * the machine to read. Throws `ReloadUnproven` when the command fails or its answer is another than in 2026.9.6.
 */
export class OpenClawCommand implements GatewayRpc {
  readonly #command: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;
  readonly #run: RunCommand;

  constructor(options: {
    readonly url: string;
    readonly token: string;
    /** Program and first arguments. Default `openclaw`. */
    readonly command?: readonly string[];
    readonly environment?: NodeJS.ProcessEnv;
    readonly run?: RunCommand;
  }) {
    const inherited = Object.entries(options.environment ?? process.env).filter(([name]) => PASSED.test(name));
    this.#command = options.command ?? ['openclaw'];
    this.#run = options.run ?? runCommand;
    this.#environment = {
      ...Object.fromEntries(inherited),
      OPENCLAW_GATEWAY_URL: options.url,
      OPENCLAW_GATEWAY_TOKEN: options.token,
      OPENCLAW_NO_AUTO_UPDATE: '1',
      OPENCLAW_NO_RESPAWN: '1',
    };
  }

  async reload(signal: AbortSignal) {
    const answer = await this.#ask(['secrets', 'reload', '--json'], signal);
    const { ok, warningCount } = answer;
    if (typeof ok !== 'boolean' || typeof warningCount !== 'number') throw unknownAnswer('secrets reload');
    return { ok, warningCount };
  }

  async status(signal: AbortSignal): Promise<GatewayStatus> {
    const { pid, degradedSecretOwners: owners } = await this.#ask(['gateway', 'call', 'status', '--json'], signal);
    if (typeof pid !== 'number' || !Array.isArray(owners)) throw unknownAnswer('gateway call status');
    return { pid, degraded: owners.map((owner) => nameOfOwner(owner)) };
  }

  async #ask(words: readonly string[], signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    const name = `openclaw ${words.filter((word) => !word.startsWith('--')).join(' ')}`;
    const options = { environment: this.#environment, signal };
    const { exitCode, stdout } = await this.#run([...this.#command, ...words], options);
    if (exitCode !== 0) throw new ReloadUnproven(`"${name}" ended with exit code ${exitCode}.`);
    const answer = parsed(stdout);
    if (!isRecord(answer)) throw unknownAnswer(name);
    return answer;
  }
}

function unknownAnswer(name: string): ReloadUnproven {
  return new ReloadUnproven(`"${name}" answered what Rekey does not know; it was made for openclaw 2026.9.6.`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Only what looks like a name: the reason beside it is another program's text. */
function nameOfOwner(owner: unknown): string {
  const { ownerKind, ownerId } = isRecord(owner) ? owner : {};
  return [ownerKind, ownerId].map((part) => (/^[\w.:/@-]{1,80}$/.test(String(part)) ? String(part) : '?')).join(' ');
}

function runCommand(
  [program = '', ...words]: readonly string[],
  { environment, signal }: Parameters<RunCommand>[1],
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const options = { env: environment, signal, maxBuffer: MAX_OUTPUT_BYTES, encoding: 'utf8' as const };
    execFile(program, words, options, (error, stdout) => {
      if (error === null) return resolve({ exitCode: 0, stdout });
      if (signal.aborted) return reject(new ReloadUnproven('OpenClaw did not answer in time.'));
      if (typeof error.code === 'number') return resolve({ exitCode: error.code, stdout });
      reject(new ReloadUnproven(`The command ${JSON.stringify(program)} cannot be run (${String(error.code)}).`));
    });
  });
}
