import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../infra/local/free-port.ts';
import type { InstalledOpenClaw } from './installed-openclaw.ts';

const READY_MILLISECONDS = 120_000;
const POLL_MILLISECONDS = 200;
const STOP_MILLISECONDS = 10_000;
const TURN_MILLISECONDS = 90_000;

const QUIET = {
  OPENCLAW_NO_AUTO_UPDATE: '1',
  OPENCLAW_DISABLE_BONJOUR: '1',
  OPENCLAW_NO_RESPAWN: '1',
  OPENCLAW_SKIP_CHANNELS: '1',
  OPENCLAW_SKIP_CRON: '1',
  OPENCLAW_EXEC_SHELL_SNAPSHOT: '0',
};

/** One gateway of OpenClaw on 127.0.0.1, in a home and a temporary folder of its own. */
export class Gateway {
  readonly token = `gateway-${crypto.randomUUID()}`;
  readonly directory: string;
  readonly #openClaw: InstalledOpenClaw;
  readonly #cloud: NodeJS.ProcessEnv;
  #port = 0;
  #process: ChildProcess | undefined;
  #log = '';

  constructor(options: {
    readonly directory: string;
    readonly openClaw: InstalledOpenClaw;
    /** How the provider finds AWS: the plan's `passEnv` takes it from the gateway. */
    readonly cloud: NodeJS.ProcessEnv;
  }) {
    this.directory = options.directory;
    this.#openClaw = options.openClaw;
    this.#cloud = options.cloud;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get log(): string {
    return this.#log;
  }

  /** For what runs beside it. */
  get environment(): NodeJS.ProcessEnv {
    return {
      ...QUIET,
      PATH: process.env['PATH'],
      HOME: join(this.directory, 'home'),
      TMPDIR: join(this.directory, 'tmp'),
      OPENCLAW_GATEWAY_TOKEN: this.token,
    };
  }

  /** Its configuration, without any secret yet. */
  async configure(modelUrl: string): Promise<void> {
    this.#port = await freePort();
    for (const folder of ['home/.openclaw', 'tmp']) mkdirSync(join(this.directory, folder), { recursive: true });
    const configuration = {
      gateway: {
        mode: 'local',
        bind: 'loopback',
        port: this.#port,
        auth: { mode: 'token', token: { source: 'env', provider: 'default', id: 'OPENCLAW_GATEWAY_TOKEN' } },
        http: { endpoints: { chatCompletions: { enabled: true } } },
      },
      plugins: { enabled: false },
      update: { checkOnStart: false },
      models: {
        catalogRefresh: { enabled: false },
        providers: {
          local: { baseUrl: modelUrl, api: 'openai-completions', models: [{ id: 'model', name: 'model' }] },
        },
      },
      agents: { defaults: { model: { primary: 'local/model' } } },
    };
    writeFileSync(join(this.directory, 'home/.openclaw/openclaw.json'), JSON.stringify(configuration));
  }

  async start(): Promise<void> {
    const words = [this.#openClaw.program, 'gateway', '--port', String(this.#port)];
    const started = spawn(process.execPath, words, {
      env: { ...this.environment, ...this.#cloud },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = started;
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (text) => (this.#log += String(text)));
    const deadline = performance.now() + READY_MILLISECONDS;
    while (!(await this.#isReady())) {
      if (started.exitCode !== null || performance.now() > deadline) {
        throw new Error(`The gateway did not get ready:\n${this.#log.slice(-4000)}`);
      }
      await new Promise((done) => setTimeout(done, POLL_MILLISECONDS));
    }
  }

  /** Ends it and what it left behind; whatever else it wrote lies in its own directory. */
  async stop(): Promise<void> {
    const running = this.#process;
    if (running?.exitCode === null) {
      const ended = new Promise((done) => running.once('exit', done));
      running.kill('SIGTERM');
      const kill = setTimeout(() => running.kill('SIGKILL'), STOP_MILLISECONDS);
      await ended;
      clearTimeout(kill);
    }
    this.#process = undefined;
  }

  /** One turn of the agent; answers its HTTP status. */
  async turn(): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'openclaw', messages: [{ role: 'user', content: 'hello' }] }),
      signal: AbortSignal.timeout(TURN_MILLISECONDS),
    });
    const text = await answer.text();
    return answer.ok && text.includes('hello') ? 200 : answer.ok ? 500 : answer.status;
  }

  /** The command `openclaw` with this home. */
  openClaw(...words: readonly string[]): Promise<{ readonly exitCode: number; readonly stdout: string }> {
    return new Promise((done) => {
      const options = { env: { ...this.environment, ...this.#cloud }, encoding: 'utf8' as const };
      execFile(process.execPath, [this.#openClaw.program, ...words], options, (error, stdout, stderr) =>
        done({
          exitCode: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1,
          stdout: stdout + stderr,
        }),
      );
    });
  }

  async #isReady(): Promise<boolean> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#port}/readyz`);
      return (await answer.text()).includes('"ready":true');
    } catch {
      return false;
    }
  }
}

/** OpenClaw writes a log into `/tmp/openclaw*` whatever TMPDIR says: removes what was not there before. */
export function temporaryLeftovers(directory = '/tmp'): { readonly remove: () => void } {
  const names = () => readdirSync(directory).filter((name) => name.startsWith('openclaw'));
  const before = new Set(names());
  return {
    remove: () => {
      for (const name of names())
        if (!before.has(name)) rmSync(join(directory, name), { recursive: true, force: true });
    },
  };
}
