import type { Plugin } from 'esbuild';
import { builtinModules } from 'node:module';
import { relative } from 'node:path';

const NAMESPACE = 'node-builtin';
const NAMES: ReadonlySet<string> = new Set(builtinModules.filter((name) => !name.startsWith('_')));

/**
 * Takes Node's own modules by `process.getBuiltinModule`, and of each only the members that the bundle uses.
 *
 * An `import` makes an ES facade, for which Node reads every member of the module, the lazy ones included: those of
 * `node:util` and `node:process` alone load a diff library and open the standard streams, on every cold start.
 */
export const builtinModulesByMember: Plugin = {
  name: NAMESPACE,
  setup(build) {
    const root = build.initialOptions.absWorkingDir ?? process.cwd();
    build.onResolve({ filter: /^(?:node:)?[a-z][a-z0-9_/]*$/ }, ({ path, kind, importer }) => {
      const name = path.replace(/^node:/, '');
      if (kind !== 'import-statement' || !NAMES.has(name)) return undefined;
      // One for each importer: a shared one might make a chunk of its own, one more file to load. By its relative path,
      // because the names of chunks are made of it, too.
      return { path: name, suffix: `?${relative(root, importer)}`, namespace: NAMESPACE, sideEffects: false };
    });
    build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({ contents: moduleText(path) }));
  },
};

/** Each member by itself and marked pure, so that what nobody imports is neither bundled nor read. */
function moduleText(name: string): string {
  const members = Object.keys(process.getBuiltinModule(`node:${name}`) ?? {}).filter(
    (member) => member !== 'default' && /^[A-Za-z_$][\w$]*$/.test(member),
  );
  return [
    `const builtin = process.getBuiltinModule('node:${name}');`,
    'export default builtin;',
    ...members.map((member, index) => `const _${index} = /* @__PURE__ */ (() => builtin.${member})();`),
    `export { ${members.map((member, index) => `_${index} as ${member}`).join(', ')} };`,
  ].join('\n');
}
