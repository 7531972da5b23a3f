import { type ChildProcess, fork } from 'node:child_process';
import { resolve } from 'node:path';
import type { FromFixture, Texts, ToFixture } from './fixture.ts';

/** Part of every value of these tests: where it is seen, a value is seen. */
export const CANARY = `c4n4ry-${crypto.randomUUID().slice(0, 8)}`;

/** A value whose last two characters say which. */
export function value(version: string): readonly [string, string] {
  return [version, `${CANARY}-${version}`];
}

type Answer = 'acknowledged' | { readonly refused: string };
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Start {
  readonly options?: readonly string[];
  readonly command: readonly string[];
  readonly values?: Texts;
  readonly settleSeconds?: number;
  readonly opens?: 'at_once' | 'never';
  readonly isTerminal?: boolean;
  readonly variables?: Readonly<Record<string, string>>;
}

const running = new Set<RunProcess>();

/** A `rekey run` in a process of its own (`fixture.ts`); what it prints and answers is waited for, never guessed. */
export class RunProcess {
  readonly exit: Promise<Exit>;
  readonly messages: FromFixture[] = [];
  stdout = '';
  stderr = '';
  readonly #process: ChildProcess;
  #wake: () => void = () => undefined;
  #hasExited = false;
  #answers = 0;

  static start({
    options = [],
    command,
    values = { token: value('v1') },
    settleSeconds = 0.05,
    opens = 'at_once',
    isTerminal = false,
    variables = {},
  }: Start): RunProcess {
    const secrets = Object.keys(values).length > 0 && !options.includes('--secret') ? Object.keys(values) : [];
    const words = [...options, ...secrets.flatMap((name) => ['--secret', name]), '--json', '--', ...command];
    return new RunProcess({ start: { words, values, settleSeconds, opens, isTerminal } }, variables);
  }

  private constructor(start: ToFixture, variables: Readonly<Record<string, string>>) {
    running.add(this);
    this.#process = fork(resolve(import.meta.dirname, 'fixture.ts'), [], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: { ...process.env, ...variables },
    });
    this.#process.stdout?.on('data', (text: Buffer) => {
      this.stdout += text.toString();
      this.#wake();
    });
    this.#process.stderr?.on('data', (text: Buffer) => {
      this.stderr += text.toString();
      this.#wake();
    });
    this.#process.on('message', (message: FromFixture) => {
      this.messages.push(message);
      if ('ready' in message) this.#process.send(start);
      this.#wake();
    });
    // `close`: nobody has its output open any more, so the command has ended too.
    this.exit = new Promise((resolve) => {
      this.#process.once('close', (code, signal) => {
        this.#hasExited = true;
        running.delete(this);
        this.#wake();
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** What the command has printed, line by line. */
  get lines(): readonly string[] {
    return this.stdout.split('\n').slice(0, -1);
  }

  get events(): readonly (Readonly<Record<string, unknown>> & { readonly event: string })[] {
    const lines = this.stderr.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  /** Waits until the command has printed `line` this many times. */
  async printed(line: string, times = 1): Promise<void> {
    await this.#until(`the line "${line}"`, () => this.lines.filter((one) => one === line).length >= times);
  }

  async told(event: string): Promise<Readonly<Record<string, unknown>>> {
    await this.#until(`the event ${event}`, () => this.events.some((one) => one.event === event));
    return this.events.findLast((one) => one.event === event) ?? {};
  }

  async heard(key: string): Promise<void> {
    await this.#until(`the message ${key}`, () => this.messages.some((message) => key in message));
  }

  /** Offers new values and answers what the consumer would say of them. */
  async offer(texts: Texts): Promise<Answer> {
    this.send({ offer: texts });
    return this.answered();
  }

  async answered(): Promise<Answer> {
    const number = (this.#answers += 1);
    const answers = (): readonly Answer[] => this.messages.flatMap((one) => ('answer' in one ? [one.answer] : []));
    await this.#until('an answer', () => answers().length >= number);
    return answers()[number - 1] ?? 'acknowledged';
  }

  send(message: ToFixture): void {
    this.#process.send(message);
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#hasExited) throw new Error(`It ended before ${what}.\n${this.stdout}\n${this.stderr}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** After each test: what a failed one has left. */
export function killAll(): void {
  for (const run of running) run.kill('SIGKILL');
}
