import { build, type Metafile } from 'esbuild';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { builtinModulesByMember } from './builtin-modules.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** Every function Rekey deploys, by the file that exports its `handler`. */
export const FUNCTION_ENTRIES = {
  dispatch: 'functions/dispatch/dispatch.ts',
  generate: 'functions/rotation/generate.ts',
  test: 'functions/rotation/test.ts',
  audit: 'functions/rotation/audit.ts',
  apply: 'functions/rotation/apply.ts',
  notify: 'functions/rotation/notify.ts',
  'roll-back': 'functions/rotation/roll-back.ts',
  retire: 'functions/retirement/retire.ts',
  owed: 'functions/retirement/owed.ts',
  recover: 'functions/recovery/recover.ts',
  configure: 'functions/configure/configure.ts',
} as const;

export type FunctionName = keyof typeof FUNCTION_ENTRIES;
export const FUNCTION_NAMES = Object.keys(FUNCTION_ENTRIES) as FunctionName[];

/** One function's deployable directory: `index.mjs`, the chunks it can load, their source maps. */
export interface Bundle {
  readonly name: FunctionName;
  readonly directory: string;
  /** JavaScript only; source maps are not loaded until something throws. */
  readonly bytes: number;
  /** File names in `directory`, entry first, without source maps. */
  readonly files: readonly string[];
}

export type Bundles = Readonly<Record<FunctionName, Bundle>>;

export interface BundleOptions {
  /** Where the entry files are looked up; the repository by default. */
  readonly root?: string;
}

/**
 * Bundles all functions into `outDir/<name>/`, emptying it first. One esbuild call parses what they share once;
 * each directory then gets only the chunks its entry can reach. Throws when an entry file is missing or does not
 * bundle.
 */
export async function bundleFunctions(outDir: string, options: BundleOptions = {}): Promise<Bundles> {
  const root = options.root ?? ROOT;
  const missing = Object.values(FUNCTION_ENTRIES).filter((entry) => !existsSync(join(root, entry)));
  if (missing.length > 0) throw new Error(`These functions have no source file: ${missing.join(', ')}`);

  const shared = resolve(outDir, '.shared');
  await rm(outDir, { recursive: true, force: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: Object.entries(FUNCTION_ENTRIES).map(([out, entry]) => ({ in: entry, out })),
    outdir: shared,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunk-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // ES modules first: esbuild's default for node takes CommonJS, which cannot be tree-shaken (+225 KiB).
    mainFields: ['module', 'main'],
    conditions: ['module', 'node'],
    // Optional native addon of `pg` that nobody here installs.
    external: ['pg-native'],
    plugins: [builtinModulesByMember],
    minify: true,
    keepNames: false,
    legalComments: 'none',
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    logLevel: 'silent',
    // CommonJS dependencies (pg) call `require`, which an ES module does not have.
    banner: {
      js: "const require=process.getBuiltinModule('node:module').createRequire(import.meta.url);",
    },
  });

  const bundles = await Promise.all(
    FUNCTION_NAMES.map(async (name) => [name, await assemble(name, { metafile, root, shared, outDir })] as const),
  );
  await rm(shared, { recursive: true, force: true });
  return Object.fromEntries(bundles) as Bundles;
}

interface Assembly {
  readonly metafile: Metafile;
  readonly root: string;
  readonly shared: string;
  readonly outDir: string;
}

async function assemble(name: FunctionName, { metafile, root, shared, outDir }: Assembly): Promise<Bundle> {
  const entry = relative(root, join(shared, `${name}.mjs`));
  const outputs = reachable(metafile, entry);
  const directory = resolve(outDir, name);
  await mkdir(directory, { recursive: true });
  const files = await Promise.all(
    outputs.map(async (output) => {
      const source = join(root, output);
      const base = relative(shared, source);
      const target = output === entry ? 'index.mjs' : base;
      await copyFile(source, join(directory, target));
      // The file's last line names its map by the map's own name, so that one stays.
      await copyFile(`${source}.map`, join(directory, `${base}.map`));
      return target;
    }),
  );
  const bytes = outputs.reduce((sum, output) => sum + (metafile.outputs[output]?.bytes ?? 0), 0);
  return { name, directory, bytes, files };
}

/** The outputs that `entry` loads, now or by a later `import()`, itself first. */
function reachable(metafile: Metafile, entry: string): readonly string[] {
  const seen = new Set<string>([entry]);
  for (const output of seen) {
    for (const { path, external } of metafile.outputs[output]?.imports ?? []) {
      if (external !== true) seen.add(path);
    }
  }
  return [...seen];
}
