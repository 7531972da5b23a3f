import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { asDocument } from './report.ts';
import { TARGETS } from './targets.ts';

/** All but what a run of the matrix fills in: the count, the table's rows, the effects. */
function words(document: string): string {
  return document
    .replace(/\*\*.*?\*\*/s, '')
    .replaceAll(/^\|.* survived.*\n?/gm, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .replace(/in their order:.*/s, '');
}

it('docs/crash-matrix.md has the words that the matrix writes today', () => {
  const document = readFileSync(join(import.meta.dirname, '../../docs/crash-matrix.md'), 'utf8');
  expect(words(document)).toBe(words(asDocument([])));
});

it('says at what each rotator was harmed: not every target is a real one', () => {
  const [, paragraph = ''] = asDocument([]).split('\n\n');
  expect(paragraph).not.toContain('a real target');
  for (const type of Object.keys(TARGETS)) {
    if (type !== 'http without list') expect(paragraph).toContain(`\`${type}\``);
  }
});
