import { build, type BuildOptions, type Metafile } from 'esbuild';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
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
  'release-batch': 'functions/rollout/release-batch.ts',
  'judge-batch': 'functions/rollout/judge-batch.ts',
  acknowledge: 'functions/rollout/acknowledge.ts',
  'record-use': 'functions/rollout/record-use.ts',
  reload: 'functions/rollout/reload.ts',
  revert: 'functions/rollout/revert.ts',
  'roll-back': 'functions/rotation/roll-back.ts',
  retire: 'functions/retirement/retire.ts',
  owed: 'functions/retirement/owed.ts',
  'settle-debt': 'functions/retirement/settle-debt.ts',
  recover: 'functions/recovery/recover.ts',
  configure: 'functions/configure/configure.ts',
  sweep: 'functions/sweep/sweep.ts',
  'rotation-contract': 'functions/rotation-contract/rotation-contract.ts',
} as const;

export type FunctionName = keyof typeof FUNCTION_ENTRIES;
export const FUNCTION_NAMES = Object.keys(FUNCTION_ENTRIES) as FunctionName[];

/** One function's deployable directory: `index.mjs`, the chunks it can load, their source maps. */
export interface Bundle {
  readonly name: FunctionName;
  readonly directory: string;
  /** JavaScript only; source maps are not loaded until something throws. */
  readonly bytes: number;
  /** The part of `bytes` that only a later `import()` loads: rotators and their drivers, each with a secret of its type. */
  readonly driverBytes: number;
  /** File names in `directory`, entry first, without source maps. */
  readonly files: readonly string[];
}

export type Bundles = Readonly<Record<FunctionName, Bundle>>;

export interface BundleOptions {
  /** Where the entry files are looked up; the repository by default. */
  readonly root?: string;
}

/** What both passes say. */
const COMMON = {
  outExtension: { '.js': '.mjs' },
  bundle: true,
  // For the drivers, which are loaded by `import()` when a secret of their type is at hand.
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  legalComments: 'none',
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'silent',
} as const satisfies BuildOptions;

/**
 * Bundles all functions into `outDir/<name>/`, emptying it first. Throws when an entry file is missing or does not
 * bundle.
 *
 * Two passes: one over the sources, which parses what the functions share once but cuts it into dozens of chunks; then
 * one for each function over its chunks, because loading a file takes longer than parsing what is in it.
 */
export async function bundleFunctions(outDir: string, options: BundleOptions = {}): Promise<Bundles> {
  const root = options.root ?? ROOT;
  const missing = Object.values(FUNCTION_ENTRIES).filter((entry) => !existsSync(join(root, entry)));
  if (missing.length > 0) throw new Error(`These functions have no source file: ${missing.join(', ')}`);

  const chunks = resolve(outDir, '.chunks');
  await rm(outDir, { recursive: true, force: true });
  await build({
    ...COMMON,
    absWorkingDir: root,
    entryPoints: Object.entries(FUNCTION_ENTRIES).map(([out, entry]) => ({ in: entry, out })),
    outdir: chunks,
    // ES modules first: esbuild's default for node takes CommonJS, which cannot be tree-shaken (+225 KiB).
    mainFields: ['module', 'main'],
    conditions: ['module', 'node'],
    alias: { '@aws-sdk/credential-provider-node': join(ROOT, 'functions/lambda-credentials.ts') },
    // Optional native addon of `pg` that nobody here installs.
    external: ['pg-native'],
    plugins: [builtinModulesByMember],
  });
  const bundles = await Promise.all(
    FUNCTION_NAMES.map(async (name) => [name, await assemble(name, chunks, resolve(outDir, name))] as const),
  );
  await rm(chunks, { recursive: true, force: true });
  return Object.fromEntries(bundles) as Bundles;
}

async function assemble(name: FunctionName, chunks: string, directory: string): Promise<Bundle> {
  const { metafile } = await build({
    ...COMMON,
    absWorkingDir: chunks,
    entryPoints: [{ in: `./${name}.mjs`, out: 'index' }],
    outdir: directory,
    minify: true,
    metafile: true,
    // CommonJS dependencies (pg) call `require`, which an ES module does not have.
    banner: { js: "const require=process.getBuiltinModule('node:module').createRequire(import.meta.url);" },
  });
  const outputs = Object.entries(metafile.outputs)
    .filter(([path]) => path.endsWith('.mjs'))
    .map(([path, { bytes }]) => ({ file: basename(path), bytes }))
    .sort((one, other) => Number(other.file === 'index.mjs') - Number(one.file === 'index.mjs'));
  const sum = (some: typeof outputs) => some.reduce((total, { bytes }) => total + bytes, 0);
  const atStart = loadedAtStart(metafile);
  return {
    name,
    directory,
    bytes: sum(outputs),
    driverBytes: sum(outputs.filter(({ file }) => !atStart.has(file))),
    files: outputs.map(({ file }) => file),
  };
}

/** The files that `index.mjs` imports as it starts, itself included, however deep. */
function loadedAtStart({ outputs }: Metafile): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(basename(path))) return;
    found.add(basename(path));
    for (const { path: imported, kind, external } of outputs[path]?.imports ?? []) {
      if (kind === 'import-statement' && external !== true) visit(imported);
    }
  };
  const entry = Object.keys(outputs).find((path) => basename(path) === 'index.mjs');
  if (entry !== undefined) visit(entry);
  return found;
}
