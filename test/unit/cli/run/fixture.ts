import { runCommand } from '../../../../cli/commands/run.ts';
import type { OpenFollowed } from '../../../../cli/run/followed-secrets.ts';
import { supervise } from '../../../../cli/run/supervise.ts';
import { SecretUnavailable } from '../../../../client/errors.ts';
import { SecretValue } from '../../../../client/secret-value.ts';

/** `rekey run` as a process of its own, with secrets that the test hands in over IPC. */
export type ToFixture = { readonly start: FixtureStart } | { readonly offer: Texts } | { readonly secondsLeft: number };

export interface FixtureStart {
  readonly words: readonly string[];
  readonly values: Texts;
  readonly settleSeconds: number;
  /** `never`: nothing answers. */
  readonly opens: 'at_once' | 'never';
  readonly isTerminal: boolean;
}

export type FromFixture =
  | { readonly ready: true }
  | { readonly opening: readonly string[] }
  | { readonly answer: 'acknowledged' | { readonly refused: string } }
  | { readonly closed: true };

/** By secret: version and text. */
export type Texts = Readonly<Record<string, readonly [version: string, text: string]>>;

let inUse: Texts = {};
let left = 1000;
let take: ((values: Readonly<Record<string, SecretValue>>) => Promise<void>) | undefined;

process.on('message', (message: ToFixture) => {
  if ('start' in message) void begin(message.start);
  if ('offer' in message) void offer(message.offer);
  if ('secondsLeft' in message) left = message.secondsLeft;
});
tell({ ready: true });

async function begin({ words, values, settleSeconds, opens, isTerminal }: FixtureStart): Promise<void> {
  inUse = values;
  const open: OpenFollowed = async (names) => {
    tell({ opening: names });
    if (opens === 'never') await new Promise(() => undefined);
    const missing = names.find((name) => !(name in inUse));
    if (missing !== undefined) throw new SecretUnavailable(`The secret "${missing}" does not exist here.`);
    return {
      names,
      values: () => asValues(inUse),
      onReload: (given) => {
        take = given;
      },
      secondsLeft: () => left,
      close: async () => tell({ closed: true }),
    };
  };
  const output = {
    line: (text: string) => void process.stdout.write(`${text}\n`),
    note: (text: string) => void process.stderr.write(`${text}\n`),
    interactive: false,
  };
  const command = runCommand(output, {
    open,
    isTerminal,
    run: (options, ports) => supervise({ ...options, settleSeconds }, ports),
  });
  try {
    await command.exitOverride().parseAsync([...words], { from: 'user' });
  } catch (error) {
    const { exitCode, message } = error as { readonly exitCode: number; readonly message: string };
    process.stderr.write(`${message}\n`);
    process.exit(exitCode);
  }
}

async function offer(offered: Texts): Promise<void> {
  const values = { ...inUse, ...offered };
  try {
    await take?.(asValues(values));
    inUse = values;
    tell({ answer: 'acknowledged' });
  } catch (error) {
    tell({ answer: { refused: (error as Error).message } });
  }
}

function asValues(texts: Texts): Readonly<Record<string, SecretValue>> {
  const entries = Object.entries(texts).map(([name, [versionId, text]]) => [
    name,
    new SecretValue({ name, versionId, text }),
  ]);
  return Object.fromEntries(entries) as Readonly<Record<string, SecretValue>>;
}

function tell(message: FromFixture): void {
  process.send?.(message);
}
