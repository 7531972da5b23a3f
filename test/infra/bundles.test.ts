import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bundleFunctions, FUNCTION_ENTRIES, FUNCTION_NAMES } from '../../infra/bundles.ts';
import { bundleVersion, withConfiguration } from '../../infra/constructs/configure-registry.ts';
import { temporaryDirectory } from './support/temporary.ts';

/** A repository of small functions: all share one module, `generate` alone can load a CommonJS driver. */
function repository(omit?: string): string {
  const root = temporaryDirectory('rekey-source-');
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  write('package.json', '{ "type": "module" }');
  write('shared/greet.ts', `export const greet = (name: string): string => 'hello from ' + name;`);
  write('shared/driver.cjs', `const { sep } = require('node:path'); exports.driver = 'DRIVER' + sep;`);
  for (const [name, entry] of Object.entries(FUNCTION_ENTRIES)) {
    if (name === omit) continue;
    const load =
      name === 'generate'
        ? `const { driver } = (await import('../../shared/driver.cjs')).default;`
        : `const driver = '';`;
    write(
      entry,
      `import { greet } from '../../shared/greet.ts';\nexport const handler = async () => { ${load} return greet('${name}') + driver; };`,
    );
  }
  return root;
}
const outDir = (): string => join(temporaryDirectory('rekey-out-'), 'bundles');
const javascript = (directory: string): readonly string[] =>
  readdirSync(directory).filter((file) => file.endsWith('.mjs'));

describe('bundleFunctions', () => {
  it('makes a directory for each function that runs by itself', async () => {
    const bundles = await bundleFunctions(outDir(), { root: repository() });
    expect(Object.keys(bundles)).toEqual(FUNCTION_NAMES);
    for (const name of FUNCTION_NAMES) {
      const { directory, bytes, files } = bundles[name];
      const { handler } = (await import(pathToFileURL(join(directory, 'index.mjs')).href)) as {
        handler: () => Promise<string>;
      };
      await expect(handler()).resolves.toBe(`hello from ${name}${name === 'generate' ? 'DRIVER/' : ''}`);
      expect([...files].sort()).toEqual([...javascript(directory)].sort());
      expect(bytes).toBe(files.reduce((sum, file) => sum + readFileSync(join(directory, file)).length, 0));
    }
  });

  it('gives a function only the chunks it can load', async () => {
    const bundles = await bundleFunctions(outDir(), { root: repository() });
    const holders = FUNCTION_NAMES.filter((name) =>
      javascript(bundles[name].directory).some((file) =>
        readFileSync(join(bundles[name].directory, file), 'utf8').includes('DRIVER'),
      ),
    );
    expect(holders).toEqual(['generate']);
  });

  it('tells what a function loads at its start from what only a later import brings', async () => {
    const bundles = await bundleFunctions(outDir(), { root: repository() });
    const { directory, files, driverBytes } = bundles.generate;
    const later = files.filter((file) => readFileSync(join(directory, file), 'utf8').includes('DRIVER'));
    expect(later).not.toContain('index.mjs');
    expect(driverBytes).toBe(later.reduce((sum, file) => sum + readFileSync(join(directory, file)).length, 0));
    for (const name of FUNCTION_NAMES) if (name !== 'generate') expect(bundles[name].driverBytes).toBe(0);
  });

  it('puts a source map without source text beside each file', async () => {
    const { generate } = await bundleFunctions(outDir(), { root: repository() });
    for (const file of javascript(generate.directory)) {
      const name = /sourceMappingURL=(.+)\s*$/.exec(readFileSync(join(generate.directory, file), 'utf8'))?.[1] ?? '';
      const map = JSON.parse(readFileSync(join(generate.directory, name.trim()), 'utf8')) as Record<string, unknown>;
      expect(map).not.toHaveProperty('sourcesContent');
    }
  });

  it('names the functions that have no source file', async () => {
    await expect(bundleFunctions(outDir(), { root: repository('owed') })).rejects.toThrow(
      'functions/retirement/owed.ts',
    );
  });

  it('packs the declaration beside Configure, which does not change its version', async () => {
    const { configure } = await bundleFunctions(outDir(), { root: repository() });
    const declaration = { name: 'production', secrets: [], alerts: [] };
    const packed = await withConfiguration(configure, declaration);
    expect(JSON.parse(readFileSync(join(packed.directory, 'configuration.json'), 'utf8'))).toEqual(declaration);
    expect(await bundleVersion(packed)).toBe(await bundleVersion(configure));
  });
});
