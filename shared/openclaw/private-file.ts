import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Nobody but its owner writes it. */
const OTHERS_WRITE = 0o022;

/** The text of a file that only this user can have written; `undefined` where there is none, or it is not so. */
export function readPrivateFile(path: string): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const { mode, uid } = fstatSync(descriptor);
    if ((mode & OTHERS_WRITE) !== 0 || uid !== (process.geteuid?.() ?? uid)) return undefined;
    return readFileSync(descriptor, 'utf8');
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** Replaces the file as a whole; whoever reads it sees the old text or the new one. A link in its place is replaced too. */
export function writePrivateFile(path: string, text: string, mode = 0o600): void {
  const beside = `${path}.${randomUUID()}`;
  try {
    writeFileSync(beside, text, { mode, flag: 'wx' });
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
