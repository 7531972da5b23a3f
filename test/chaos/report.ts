import { type CellResult, COLUMNS, type Column } from './matrix.ts';

/** Every cell of one rotator. */
export interface RotatorResult {
  readonly type: string;
  /** In the order in which they happen. */
  readonly effects: readonly string[];
  readonly cells: readonly CellResult[];
}

export function hasSurvived({ broken, told }: CellResult): boolean {
  return broken.length === 0 && told.length === 0;
}

/** All holds but one thing that nobody can find out, which people were told. */
export function hasTold({ broken, told }: CellResult): boolean {
  return broken.length === 0 && told.length > 0;
}

export function isBroken({ broken }: CellResult): boolean {
  return broken.length > 0;
}

export function asTable(results: readonly RotatorResult[]): [string[], string[][]] {
  const rows = results.map(({ type, cells }) => [type, ...COLUMNS.map(({ name }) => inColumn(cells, name))]);
  return [['ROTATOR', ...COLUMNS.map(({ name }) => name.toUpperCase())], rows];
}

function inColumn(cells: readonly CellResult[], column: Column): string {
  const those = cells.filter((cell) => cell.column === column);
  const broken = those.filter(isBroken).length;
  if (broken > 0) return `${broken} of ${those.length} BROKEN`;
  const told = those.filter(hasTold).length;
  return `${those.length - told} survived${told === 0 ? '' : `, ${told} told`}`;
}

export function failures(results: readonly RotatorResult[]): readonly string[] {
  return results.flatMap(({ type, cells }) =>
    cells
      .filter(isBroken)
      .map(
        ({ column, fault, effect, effectName, write, broken }) =>
          `${type}: ${column} (${fault}) at effect ${effect} (${effectName}${write === undefined ? '' : `, write ${write}`}): ${broken.join('; ')}`,
      ),
  );
}

export function counts(
  results: readonly RotatorResult[],
): Readonly<Record<string, { cells: number; survived: number; told: number }>> {
  return Object.fromEntries(results.map(({ type, cells }) => [type, countsOf(cells)]));
}

export function countsOf(cells: readonly CellResult[]): { cells: number; survived: number; told: number } {
  return {
    cells: cells.length,
    survived: cells.filter(hasSurvived).length,
    told: cells.filter(hasTold).length,
  };
}

/** "12 cells, 12 survived", "12 cells, 10 survived, 2 told". */
export function inWords(all: readonly CellResult[]): string {
  const { cells, survived, told } = countsOf(all);
  return `${cells} cells, ${survived} survived${told === 0 ? '' : `, ${told} told`}`;
}

export function asDocument(results: readonly RotatorResult[]): string {
  const cells = results.flatMap((result) => result.cells);
  const [heading, rows] = asTable(results);
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const broken = failures(results);
  return `# Crash matrix

Written by \`npm run chaos\`: **${inWords(cells)}.** Each cell is a secret of
its own at the target of its type, with a consumer that follows it. \`postgresql\`, \`mysql\`, \`mariadb\`, \`redis\` and
\`rabbitmq\` are real servers (versions: [rotators.md](rotators.md)), \`iam\` is the emulator of AWS, \`github_token\`
and \`api_key\` are servers of this repository that keep the published rules, \`http\` is one with rules of its own.
\`credential\` has no target: its cells say nothing about what \`AWSCURRENT\` opens, only that it is a value of this secret.
One rotation with its retirement is harmed once, at one side effect; then the system recovers by itself. The steps are
the deployed ones, in the order of the deployed state machines, which an interpreter of Amazon States Language runs;
registry, Secrets Manager, audit trail and table of consumers are fakes that pass the same contract suites as the
adapters for AWS.
A killed process is one in which nothing more happens. With the adapters themselves, on the local cloud, processes are
really killed (SIGKILL) after every side effect of a rotation of three types by
[killed-process.test.ts](../test/chaos/killed-process.test.ts).

| column | what happens at the effect |
|---|---|
| fails | it does not happen; the step is told so |
| answer lost | it happens; the step is told that it failed |
| killed, retried | the process dies before or after it; the state machine runs the step again |
| killed, recovery rule | the execution dies with it; the recovery function picks up |
| killed, next schedule | the execution dies with it, and nobody notices until the schedule comes by |
| twice at once | the same step runs a second time, from beginning to end, just before or just after it |
| connection lost | within what is done at the target: at each write to it, the connection is lost before the write or after it, without an answer |

A cell has survived when its fault came and, after every effect and at the end: \`AWSCURRENT\` opens the target, so does
the version that a consumer uses, and so does a version in its grace period; at the end no credential lives that the
registry does not know, none is left half way, the audit chain verifies; and the next rotation works, with all of this true
again. At Redis and RabbitMQ a connection of the first credential is kept open: it ends when that is retired, not before.

\`told\`: all of this holds, and one debt more is in the registry. An API that lists nothing (\`http without list\`) cannot
say what became of a request whose answer was lost. Rekey asks for no second credential then: it rolls back, holds the
credential in doubt under the name that it gave, and tells people which one to look for, every hour. Whether it exists or
not, the registry knows it; what lives and is in no such debt is broken here as well. Other rotators have no such outcome.

${line(heading.map((text) => text.toLowerCase()))}
${line(heading.map(() => '---'))}
${rows.map(line).join('\n')}

For comparison, measured once with the same PostgreSQL and the same emulator of Secrets Manager: AWS's own templates for
PostgreSQL, as published, three rotations each, undisturbed, a login with \`AWSCURRENT\` after each of the four steps. Single
user: refused after \`setSecret\` and after \`testSecret\`, in all three; so these two boundaries break by design. Multi user:
accepted after every step; the value that was replaced went on working until the next rotation's \`setSecret\`.

The side effects, in their order:

${results.map(({ type, effects }) => `- ${type}: ${effects.join(', ')}`).join('\n')}
${broken.length === 0 ? '' : `\nWhat broke:\n\n${broken.map((text) => `- ${text}`).join('\n')}\n`}`;
}
