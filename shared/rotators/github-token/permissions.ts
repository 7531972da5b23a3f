import { Misconfigured } from '../../errors.ts';

const LEVELS = ['read', 'write', 'admin'] as const;
export type Access = (typeof LEVELS)[number];
/** Of a GitHub App: `contents` → `read`. */
export type Permissions = Readonly<Record<string, string>>;

/** OAuth's scope names that are an App's permission under another name. */
const ALSO_CALLED: Readonly<Record<string, string>> = { repo_hook: 'repository_hooks', org_hook: 'organization_hooks' };
/** GitHub has these as `write` only: they cannot be narrowed to `read`. */
const WRITE_ONLY: ReadonlySet<string> = new Set(['workflows', 'profile']);
const ALL = 'all';

export interface Asked {
  /** As the App calls it, or `all`. */
  readonly permission: string;
  readonly access: Access;
  /** As it is declared. */
  readonly word: string;
}

/** Reads `contents:read`, `read:contents`, `write:repo_hook`, `read:all`. Throws `Misconfigured` that names the word. */
export function parsePermissions(words: readonly string[]): readonly Asked[] {
  return words.map((word) => {
    const asked = parsePermission(word);
    if (asked !== undefined) return asked;
    throw new Misconfigured(
      `permissions: "${quoted(word)}" must be a permission of the GitHub App and read, write or admin, as in "contents:read" or "read:all".`,
    );
  });
}

/** One of these words; undefined for any other text. */
export function parsePermission(word: string): Asked | undefined {
  const [first = '', second = '', ...more] = word.trim().toLowerCase().split(':');
  const [access, name] = isAccess(first) ? [first, second] : [second, first];
  if (more.length > 0 || !isAccess(access) || isAccess(name) || !/^[a-z][a-z_]*$/.test(name)) return undefined;
  return { permission: ALSO_CALLED[name] ?? name, access, word: quoted(word) };
}

/**
 * The permissions to ask for, each at the highest level asked. `all` means everything that the installation has. Throws
 * `Misconfigured` for what is asked and not granted.
 */
export function narrow(asked: readonly Asked[], granted: Permissions): Permissions {
  const found: Record<string, string> = {};
  for (const { permission, access, word } of asked) {
    const names = permission === ALL ? Object.keys(granted) : [permission];
    for (const name of names) {
      const most = granted[name];
      if (permission !== ALL) assertGranted(word, name, access, most);
      const level = lower(access, most ?? access);
      // Asked for as part of "all", at a level that it does not have.
      if (permission === ALL && level === 'read' && WRITE_ONLY.has(name)) continue;
      if (levelOf(level) > levelOf(found[name])) found[name] = level;
    }
  }
  if (Object.keys(found).length === 0)
    throw new Misconfigured('permissions: the installation grants none of what is declared.');
  return found;
}

/** What of `asked` could not be had at that level; for people. */
export function leftOut(asked: readonly Asked[], granted: Permissions): readonly string[] {
  if (!asked.some(({ permission, access }) => permission === ALL && access === 'read')) return [];
  return Object.keys(granted).filter(
    (name) => WRITE_ONLY.has(name) && !asked.some(({ permission }) => permission === name),
  );
}

/** Where what was given differs from what was asked; `metadata:read` comes with everything. */
export function differences(asked: Permissions, given: Permissions): readonly string[] {
  const names = new Set([...Object.keys(asked), ...Object.keys(given)]);
  return [...names].filter((name) => {
    if (name === 'metadata' && asked[name] === undefined) return given[name] !== 'read';
    return asked[name] !== given[name];
  });
}

export function describePermissions(permissions: Permissions): string {
  return Object.entries(permissions)
    .map(([name, access]) => `${quoted(name)}:${quoted(access)}`)
    .sort()
    .join(', ');
}

function assertGranted(word: string, name: string, access: Access, most: string | undefined): void {
  if (most === undefined) {
    throw new Misconfigured(`permissions: "${word}" is declared, but the installation does not grant "${name}".`);
  }
  if (levelOf(access) > levelOf(most)) {
    throw new Misconfigured(
      `permissions: "${word}" is declared, but the installation grants "${name}" as ${quoted(most)} only.`,
    );
  }
}

function lower(access: Access, most: string): string {
  return levelOf(access) <= levelOf(most) ? access : most;
}

function levelOf(access: string | undefined): number {
  return LEVELS.findIndex((level) => level === access);
}

function isAccess(text: string): text is Access {
  return LEVELS.some((level) => level === text);
}

/** Names only: what is no name is not repeated whole. */
function quoted(text: string): string {
  return text.replace(/[^\w:.-]/g, '?').slice(0, 64);
}
