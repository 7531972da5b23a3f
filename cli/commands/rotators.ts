import { Command } from 'commander';
import { CATALOGUE } from '../../shared/rotators/catalogue.ts';
import type { CatalogueEntry } from '../../shared/rotators/catalogue-entry.ts';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import type { Output } from '../output.ts';
import { table } from '../table.ts';

/** `rekey rotators`: the types of secrets, what each needs, and what it guarantees. */
export function rotatorsCommand(output: Output): Command {
  return new Command('rotators')
    .description('List the types of secrets: what each needs, what it guarantees, and an example for secrets.yaml.')
    .argument('[type...]', 'only these, in full')
    .option('--json', 'one JSON document')
    .option('--markdown', 'the text of docs/rotators.md')
    .addHelpText(
      'after',
      '\nExamples:\n  rekey rotators\n  rekey rotators redis\n  rekey rotators --json\n\nExit code 1 when there is no rotator of a named type.',
    )
    .action(
      (types: readonly string[], { json, markdown }: { readonly json?: boolean; readonly markdown?: boolean }) => {
        const unknown = types.filter((type) => !CATALOGUE.some((entry) => entry.type === type));
        if (unknown.length > 0) {
          const known = CATALOGUE.map(({ type }) => type).join(', ');
          throw new CommandFailure(
            `There is no rotator ${unknown.join(', ')}. There are: ${known}.`,
            EXIT_CODE.finding,
          );
        }
        const entries = types.length === 0 ? CATALOGUE : CATALOGUE.filter(({ type }) => types.includes(type));
        if (json === true) output.line(JSON.stringify({ rotators: entries }, undefined, 2));
        else if (markdown === true) output.line(asMarkdown(entries));
        else if (types.length === 0) for (const line of overview(entries)) output.line(line);
        else for (const entry of entries) for (const line of inFull(entry)) output.line(line);
      },
    );
}

function overview(entries: readonly CatalogueEntry[]): readonly string[] {
  const rows = entries.map(({ type, kind, rotates }) => [type, kind, rotates]);
  return [...table(['TYPE', 'VALUE IS', 'WHAT IT DOES'], rows), '', 'In full, with an example: rekey rotators TYPE'];
}

/** One rotator, as text. */
function inFull(entry: CatalogueEntry): readonly string[] {
  const list = (items: readonly string[]) => items.map((item) => `  - ${item}`);
  return [
    `${entry.type} (${entry.kind})`,
    entry.rotates,
    '',
    'Needs:',
    ...list(entry.needs),
    `Value of the secret: ${entry.value}`,
    `Overlap: ${entry.overlap}`,
    `Proof of death: ${entry.proofOfDeath}`,
    'Limits:',
    ...list(entry.limits),
    `Tested at: ${entry.testedAt}`,
    'Example:',
    ...entry.example.split('\n').map((line) => `  ${line}`.trimEnd()),
    '',
  ];
}

/** `docs/rotators.md`, whose text is this and nothing else. */
export function asMarkdown(entries: readonly CatalogueEntry[]): string {
  const rows = entries.map(
    ({ type, kind, overlap, proofOfDeath }) => `| [\`${type}\`](#${type}) | ${kind} | ${overlap} | ${proofOfDeath} |`,
  );
  return [
    '# Rotators',
    '',
    'What Rekey rotates: one section a type. The same text: `npx rekey rotators [TYPE]`; this file is what',
    '`npx rekey rotators --markdown` prints. Fields of `secrets.yaml`: [configuration.md](configuration.md).',
    '',
    '`chosen`: Rekey picks the value, stores it as `AWSPENDING`, then sets it at the target. `issued`: a provider makes the',
    'value and tells it once; what is about to be asked for is written down before, and stored right after.',
    'How each survives a crash at any point: [crash-matrix.md](crash-matrix.md).',
    '',
    '| type | value is | overlap | proof of death |',
    '|---|---|---|---|',
    ...rows,
    ...entries.flatMap(section),
  ].join('\n');
}

function section({ type, rotates, value, needs, limits, testedAt, example }: CatalogueEntry): readonly string[] {
  const list = (items: readonly string[]) => items.map((item) => `- ${item}`);
  return [
    '',
    `## ${type}`,
    '',
    rotates,
    '',
    'Needs:',
    '',
    ...list(needs),
    '',
    `Value of the secret: ${value.startsWith('{') ? `\`${value}\`` : value}`,
    '',
    'Limits:',
    '',
    ...list(limits),
    '',
    `Tested at: ${testedAt}`,
    '',
    '```yaml',
    'secrets:',
    ...example
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
    '```',
  ];
}
