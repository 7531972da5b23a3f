import {
  chmodSync,
  closeSync,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import { ReloadFailed } from './errors.ts';
import { isInMemory, makePrivateDirectory } from './memory-directory.ts';
import { startOf } from './process-group.ts';

/** In a directory that the user named: whose it is, so that the next run may clear up after one that was killed. */
const OWNER = '.rekey-run';

/** A directory (0700) that is this run's alone, with one file (0600) for each secret. */
export class SecretFiles {
  readonly path: string;
  readonly isInMemory: boolean;
  readonly #isMade: boolean;
  #isRemoved = false;

  /**
   * In the directory `named`, which must not exist, be empty, or be left behind by a run that has ended; without it, in a
   * new one in memory where there is such a place. Throws a CommandFailure.
   */
  static create(named: string | undefined, places?: readonly string[]): SecretFiles {
    if (named === undefined) return new SecretFiles(makePrivateDirectory(places), true);
    const path = resolve(named);
    const isMade = makeOrTake(path);
    writeFileSync(join(path, OWNER), `${process.pid} ${startOf(process.pid) ?? ''}\n`, { mode: 0o600 });
    return new SecretFiles(path, isMade);
  }

  private constructor(path: string, isMade: boolean) {
    this.path = path;
    this.#isMade = isMade;
    this.isInMemory = isInMemory(path);
  }

  /**
   * Each file is replaced whole: readers see the old text or the new one. All are written before the first is put in
   * place, so that a full disk changes nothing. Throws `ReloadFailed`.
   */
  write(texts: ReadonlyMap<string, string>): void {
    if (this.#isRemoved) throw new ReloadFailed('The files of the secrets have been removed.');
    const written: (readonly [string, string])[] = [];
    try {
      for (const [name, text] of texts) {
        const [draft, final] = [join(this.path, `.${name}.new`), join(this.path, name)];
        written.push([draft, final]);
        writePrivately(draft, text);
      }
      for (const [draft, final] of written) renameSync(draft, final);
    } catch (error) {
      for (const [draft] of written) discard(draft);
      const { code = 'unknown error' } = error as NodeJS.ErrnoException;
      throw new ReloadFailed(`The files of the secrets could not be written (${code}).`);
    }
  }

  /** Takes the files away, and the directory where this run made it. Twice is harmless. */
  remove(): void {
    this.#isRemoved = true;
    if (this.#isMade) rmSync(this.path, { recursive: true, force: true });
    else clear(this.path);
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // What stands in the way is what the caller reports.
  }
}

function writePrivately(path: string, text: string): void {
  rmSync(path, { force: true });
  const file = openSync(path, 'wx', 0o600);
  try {
    // The umask may have taken the owner's own rights.
    fchmodSync(file, 0o600);
    writeFileSync(file, text);
  } finally {
    closeSync(file);
  }
}

/** Answers whether it was made. */
function makeOrTake(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    chmodSync(path, 0o700);
    return true;
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw refusal(`--files ${path}: the directory could not be made (${code}).`, error);
  }
  const stat = lstatSync(path);
  if (!stat.isDirectory()) throw refusal(`--files ${path}: this is not a directory.`);
  if (stat.uid !== process.getuid?.()) throw refusal(`--files ${path}: this directory belongs to another user.`);
  const owner = ownerOf(path);
  if (owner === undefined && readdirSync(path).length > 0) {
    throw refusal(`--files ${path}: this directory has other files in it; name an empty or a new one.`);
  }
  if (owner !== undefined && isRunning(owner)) {
    throw refusal(`--files ${path}: the "rekey run" with process id ${owner.pid} uses this directory.`);
  }
  clear(path);
  chmodSync(path, 0o700);
  return false;
}

interface Owner {
  readonly pid: number;
  readonly start: string | undefined;
}

function ownerOf(path: string): Owner | undefined {
  try {
    const [pid = '', start] = readFileSync(join(path, OWNER), 'utf8').trim().split(' ');
    return { pid: Number(pid), start };
  } catch {
    return undefined;
  }
}

/** In a restarted container the process id is often one's own again. */
function isRunning({ pid, start }: Owner): boolean {
  if (pid === process.pid || !Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const now = startOf(pid);
  return now === undefined || start === undefined || start === now;
}

function clear(path: string): void {
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
}

function refusal(sentence: string, cause?: unknown): CommandFailure {
  return new CommandFailure(sentence, EXIT_CODE.environment, { cause });
}
