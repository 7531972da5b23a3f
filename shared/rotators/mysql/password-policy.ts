import type { PolicyDeclaration } from '../../config/declaration.ts';
import { RefusedByPolicy } from '../../errors.ts';
import { DEFAULT_POLICY } from '../password.ts';
import type { Session } from './connect.ts';

type CharacterClass = PolicyDeclaration['require'][number];

/**
 * What MySQL's component (or plugin) validate_password, or MariaDB's plugin simple_password_check, asks of every password;
 * `undefined` where there is none.
 */
export interface ServerPolicy {
  readonly length: number;
  readonly least: Readonly<Record<CharacterClass, number>>;
}

const CLASSES: Readonly<Record<CharacterClass, RegExp>> = {
  lower: /\p{Ll}/gu,
  upper: /\p{Lu}/gu,
  digit: /\p{Nd}/gu,
  symbol: /[^\p{L}\p{Nd}]/gu,
};

/**
 * The server cannot look at a password that it gets as a hash only, so Rekey keeps to its rules by itself: what its
 * variables say of length and characters. https://dev.mysql.com/doc/refman/8.4/en/validate-password.html,
 * https://mariadb.com/kb/en/simple-password-check-plugin/
 */
export async function readServerPolicy(session: Session): Promise<ServerPolicy | undefined> {
  const rows = await session.query<{ Variable_name: string; Value: string }>(
    'reading the rules about passwords',
    `SHOW GLOBAL VARIABLES
      WHERE Variable_name LIKE 'validate\\_password%' OR Variable_name LIKE 'simple\\_password\\_check%'`,
  );
  const values = new Map(
    rows.map(({ Variable_name: name, Value }) => [
      name.replace(/^(?:validate_password|simple_password_check)[._]/, ''),
      Value,
    ]),
  );
  if (values.size === 0) return undefined;
  const count = (...names: readonly string[]): number =>
    Math.max(...names.map((name) => Number(values.get(name) ?? 0)));
  const isLow = ['LOW', '0'].includes(values.get('policy') ?? '');
  const least = (...names: readonly string[]): number => (isLow ? 0 : count(...names));
  const mixed = least('mixed_case_count', 'letters_same_case');
  return {
    length: count('length', 'minimal_length'),
    least: {
      lower: mixed,
      upper: mixed,
      digit: least('number_count', 'digits'),
      symbol: least('special_char_count', 'other_characters'),
    },
  };
}

/**
 * Throws `RefusedByPolicy` where MariaDB is to look at every password itself (strict_password_validation, with a plugin
 * that validates): then it refuses hashes, in the words of other faults.
 */
export async function assertTakesHashes(session: Session): Promise<void> {
  const [row] = await session.query<{ validating: number }>(
    'asking for plugins that validate passwords',
    `SELECT COUNT(*) AS validating FROM information_schema.PLUGINS
      WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION' AND PLUGIN_STATUS = 'ACTIVE'`,
  );
  if (row === undefined || row.validating === 0) return;
  const [variable] = await session.query<{ Value: string }>(
    'asking whether it takes hashes',
    "SHOW GLOBAL VARIABLES LIKE 'strict_password_validation'",
  );
  if (variable?.Value !== 'ON') return;
  throw new RefusedByPolicy(
    'The server refuses hashes because it validates every password: turn strict_password_validation off, so that Rekey can set one.',
  );
}

/** Throws `RefusedByPolicy` where what is declared does not make sure that every password meets the server's rules. */
export function assertAlwaysMet(server: ServerPolicy | undefined, declared: PolicyDeclaration = DEFAULT_POLICY): void {
  if (server === undefined) return;
  if (declared.length < server.length) {
    throw new RefusedByPolicy(
      `The server asks for passwords of ${server.length} characters: declare policy with length.`,
    );
  }
  const loose = classesOf(server).filter((name) => server.least[name] > 0 && !declared.require.includes(name));
  if (loose.length === 0) return;
  throw new RefusedByPolicy(
    `The server asks for ${loose.join(', ')} in every password: declare policy with require: [${classesOf(server).join(', ')}].`,
  );
}

/** Throws `RefusedByPolicy` where this password does not meet the server's rules. */
export function assertMet(server: ServerPolicy | undefined, password: string): void {
  if (server === undefined) return;
  const short = classesOf(server).filter((name) => (password.match(CLASSES[name])?.length ?? 0) < server.least[name]);
  // Code points, as the server counts.
  const words = [...(Array.from(password).length < server.length ? ['length'] : []), ...short];
  if (words.length > 0) {
    throw new RefusedByPolicy(
      `The password does not meet the server's rules (validate_password, simple_password_check): ${words.join(', ')}.`,
    );
  }
}

function classesOf({ least }: ServerPolicy): readonly CharacterClass[] {
  return (Object.keys(CLASSES) as CharacterClass[]).filter((name) => least[name] > 0);
}
