import { CommandFailure, EXIT_CODE } from '../exit-code.ts';

/** Where the command finds its secrets: in environment variables, or in files of one directory. */
export type Medium = 'environment' | 'files';

/** One `--secret`: what is read, and under which name the command finds it. */
export interface SecretSpec {
  readonly secret: string;
  /** Member of the secret's JSON object; `undefined`: the whole text. */
  readonly key: string | undefined;
  /** The environment variable, or the file. */
  readonly target: string;
}

/** https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html */
const SECRET_NAME = /^[\w/+=.@-]{1,512}$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** A plain name: nothing hidden, nothing that leaves the directory. */
const FILE = /^[\w+=@-][\w+=.@-]{0,254}$/;

/** Reads `NAME`, `NAME=TARGET`, `NAME#key` and `NAME#key=TARGET`. Throws a CommandFailure; two of one target are one too. */
export function parseSecretSpecs(texts: readonly string[], medium: Medium): readonly SecretSpec[] {
  if (texts.length === 0) throw usage('Name at least one secret: rekey run --secret NAME -- COMMAND.');
  const specs = texts.map((text) => parseSecretSpec(text, medium));
  const targets = new Set<string>();
  for (const { target } of specs) {
    if (targets.has(target)) {
      throw usage(`Two secrets would be ${describe(target, medium)}: give one another name with NAME=OTHER.`);
    }
    targets.add(target);
  }
  return specs;
}

function parseSecretSpec(text: string, medium: Medium): SecretSpec {
  // A name may have an equals sign: what follows the last one is the target.
  const equals = text.lastIndexOf('=');
  const [source, given] = equals === -1 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
  const hash = source.indexOf('#');
  const [secret, key] = hash === -1 ? [source, undefined] : [source.slice(0, hash), source.slice(hash + 1)];
  if (!SECRET_NAME.test(secret)) throw usage('--secret takes NAME, NAME=TARGET or NAME#key=TARGET.');
  if (key === '') throw usage(`--secret ${secret}#: a key of the secret's JSON follows the #.`);
  const target = given ?? defaultTarget(secret, key, medium);
  if (!(medium === 'files' ? FILE : VARIABLE).test(target)) {
    throw usage(
      medium === 'files'
        ? `--secret ${secret}: "${target}" cannot be the name of a file there; give one with ${secret}=FILE.`
        : `--secret ${secret}: "${target}" cannot be the name of an environment variable; give one with ${secret}=VARIABLE.`,
    );
  }
  return { secret, key, target };
}

function defaultTarget(secret: string, key: string | undefined, medium: Medium): string {
  if (medium === 'files') return [secret, ...(key === undefined ? [] : [key])].join('.').replaceAll('/', '__');
  return [secret, ...(key === undefined ? [] : [key])]
    .join('_')
    .replaceAll(/[^A-Za-z0-9]/g, '_')
    .toUpperCase();
}

function describe(target: string, medium: Medium): string {
  return medium === 'files' ? `the file ${target}` : `the environment variable ${target}`;
}

function usage(sentence: string): CommandFailure {
  return new CommandFailure(sentence, EXIT_CODE.usage);
}
