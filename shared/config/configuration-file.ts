import { closeSync, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

import { RekeyError } from '../errors.ts';
import { MAX_BESIDE_BYTES, MAX_FILE_BYTES } from './file-text.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links lead in a circle',
};

/** The configuration file cannot be read: it is not there, a directory, or not ours to read. */
export class ConfigurationUnreadable extends RekeyError {
  static readonly errorName = 'ConfigurationUnreadable';
  override readonly name = ConfigurationUnreadable.errorName;
  readonly code = 'REKEY_CONFIGURATION_UNREADABLE';
}

/** The bytes of a configuration file, but not much more of it than a valid one has. */
export function readConfigurationFile(path: string): Uint8Array {
  try {
    return readBounded(path, MAX_FILE_BYTES + 1);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const reason = (code === undefined ? undefined : REASONS[code]) ?? 'it cannot be read';
    throw new ConfigurationUnreadable(`${path}: ${reason}`, { cause });
  }
}

/** The bytes of a file, but not much more than `MAX_BESIDE_BYTES`; undefined where there is none. */
export type ReadBeside = (relativePath: string) => Uint8Array | 'unreadable' | undefined;

/** Reads files beside `path`, also in folders beside it, and none that a link leads to elsewhere. */
export function besideFile(path: string): ReadBeside {
  return (relativePath) => {
    try {
      const folder = realpathSync(dirname(path));
      const file = realpathSync(join(folder, relativePath));
      const inside = relative(folder, file);
      if (inside === '..' || inside.startsWith(`..${sep}`)) return 'unreadable';
      return readBounded(file, MAX_BESIDE_BYTES + 1);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : 'unreadable';
    }
  };
}

function readBounded(path: string, limit: number): Uint8Array {
  const descriptor = openSync(path, 'r');
  try {
    if (fstatSync(descriptor).isDirectory()) throw Object.assign(new Error('directory'), { code: 'EISDIR' });
    const bytes = new Uint8Array(limit);
    let length = 0;
    while (length < limit) {
      const read = readSync(descriptor, bytes, length, limit - length, null);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}
