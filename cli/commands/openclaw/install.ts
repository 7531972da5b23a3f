import { chmodSync, lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writePrivateFile } from '../../../shared/openclaw/private-file.ts';
import { CommandFailure, EXIT_CODE } from '../../exit-code.ts';

/** What lies in the provider's directory. */
export interface ProviderFiles {
  readonly directory: string;
  /** The command for OpenClaw: a file of its own, not a link, that nobody else may change. */
  readonly command: string;
  readonly witnessFile: string;
  readonly serveFile: string;
  readonly lockFile: string;
}

const OTHERS_WRITE = 0o022;

export function providerFiles(directory: string): ProviderFiles {
  const absolute = resolve(directory);
  return {
    directory: absolute,
    command: join(absolute, 'rekey-resolve'),
    witnessFile: join(absolute, 'witness.jsonl'),
    serveFile: join(absolute, 'serve.json'),
    lockFile: join(absolute, 'reload.lock'),
  };
}

/**
 * Writes the command that OpenClaw runs, with the absolute paths of this Node and this Rekey. Again is harmless: it
 * replaces its own file as a whole. Throws `CommandFailure` where OpenClaw would refuse the place.
 */
export function installProvider(directory: string, aliasFile: string | undefined): ProviderFiles {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // OpenClaw follows no link.
  const files = providerFiles(realpathSync(directory));
  requireOwn(files.directory);
  const words = [
    process.execPath,
    // Node 22 warns on standard error that it strips types.
    '--disable-warning=ExperimentalWarning',
    fileURLToPath(new URL('../../resolve-provider.ts', import.meta.url)),
    '--witness',
    files.witnessFile,
    '--serve-file',
    files.serveFile,
    ...(aliasFile === undefined ? [] : ['--alias-file', resolve(aliasFile)]),
  ];
  const script = `#!/bin/sh
# Written by "rekey openclaw install-provider"; write it again after Rekey or Node has moved.
exec ${words.map(quoted).join(' ')}
`;
  writePrivateFile(files.command, script, 0o700);
  chmodSync(files.command, 0o700);
  return files;
}

function requireOwn(directory: string): void {
  const { uid, mode } = lstatSync(directory);
  if (uid !== (process.geteuid?.() ?? uid)) {
    throw new CommandFailure(
      `${directory} belongs to another user; run this as the user of the gateway.`,
      EXIT_CODE.usage,
    );
  }
  if ((mode & OTHERS_WRITE) !== 0) {
    throw new CommandFailure(`Others may write in ${directory}: chmod go-w it, or name another.`, EXIT_CODE.usage);
  }
}

/** For /bin/sh: everything but a single quote is itself between single quotes. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
