import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { asMarkdown, rotatorsCommand } from '../../../../cli/commands/rotators.ts';
import { SECRET_TYPES } from '../../../../shared/config/declaration.ts';
import { parseConfiguration } from '../../../../shared/config/parse-configuration.ts';
import { CATALOGUE } from '../../../../shared/rotators/catalogue.ts';
import { isRotatable } from '../../../../shared/rotators/rotator-for.ts';

async function run(...args: string[]): Promise<string> {
  const lines: string[] = [];
  const output = { line: (text: string) => void lines.push(text), note: () => undefined, interactive: false };
  await rotatorsCommand(output).exitOverride().parseAsync(args, { from: 'user' });
  return lines.join('\n');
}

describe('rekey rotators', () => {
  it('lists every type that secrets.yaml knows', async () => {
    const text = await run();
    for (const type of SECRET_TYPES) expect(text).toContain(type);
    expect(CATALOGUE.map(({ type }) => type).sort()).toEqual([...SECRET_TYPES].sort());
  });

  it('says all of one type, as text and as JSON', async () => {
    const text = await run('redis');
    for (const word of ['Needs:', 'Overlap:', 'Proof of death:', 'Example:']) expect(text).toContain(word);
    expect(JSON.parse(await run('redis', '--json'))).toEqual({
      rotators: [CATALOGUE.find(({ type }) => type === 'redis')],
    });
  });

  it.each(CATALOGUE)('says what $type was tested at, as text and as Markdown', async ({ type, testedAt }) => {
    expect(testedAt).toMatch(/\.$/);
    expect(await run(type)).toContain(`Tested at: ${testedAt}`);
    expect(asMarkdown(CATALOGUE)).toContain(`Tested at: ${testedAt}`);
  });

  it('refuses a type that there is not, and names those that there are', async () => {
    await expect(run('oracle')).rejects.toThrow('postgresql');
  });

  it.each(CATALOGUE)('has an example of $type that is valid and that this version rotates', ({ type, example }) => {
    const bytes = Buffer.from(`secrets:\n${example.replaceAll(/^/gm, '  ')}\n`);
    const result = parseConfiguration({ path: 'secrets.yaml', bytes });
    expect(result).toMatchObject({ ok: true, warnings: [] });
    const [secret] = result.ok ? (result.configuration.environments[0]?.secrets ?? []) : [];
    expect(secret?.type).toBe(type);
    expect(secret !== undefined && isRotatable(type, secret)).toBe(true);
  });

  it('is what docs/rotators.md says', () => {
    const document = readFileSync(join(import.meta.dirname, '../../../../docs/rotators.md'), 'utf8');
    expect(document.trimEnd()).toBe(asMarkdown(CATALOGUE).trimEnd());
  });
});
