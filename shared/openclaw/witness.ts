import { appendFileSync, statSync } from 'node:fs';
import { type ErrorCode, isRecord } from './protocol.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

/** From here on the oldest half is dropped. One line of 512 long ids has 150 KiB. */
const MAX_BYTES = 1024 * 1024;

/** That one batch was answered, and with which versions. Never a value. */
export interface WitnessLine {
  /** When the request was there, before anything was read for it. */
  readonly at: Date;
  /** The process that asked: the gateway, or its spawn broker. */
  readonly parent: number;
  readonly ids: Readonly<Record<string, string>>;
  readonly errors: Readonly<Record<string, ErrorCode>>;
}

export function appendWitness(path: string, { at, parent, ids, errors }: WitnessLine): void {
  const line = JSON.stringify({ at: at.toISOString(), parent, ids, errors });
  appendFileSync(path, `${line}\n`, { mode: 0o600 });
  if (statSync(path).size > MAX_BYTES) dropOldest(path);
}

/** The lines of batches that began at `since` or later, in the order in which they were answered. */
export function readWitness(path: string, since: Date): readonly WitnessLine[] {
  const lines = (readPrivateFile(path) ?? '').split('\n');
  return lines.flatMap((line) => {
    const witness = parsed(line);
    return witness === undefined || witness.at < since ? [] : [witness];
  });
}

/** A line that another process appends meanwhile is lost: whoever looks for it reloads once more. */
function dropOldest(path: string): void {
  const text = readPrivateFile(path);
  if (text === undefined) return;
  const half = text.slice(text.length - MAX_BYTES / 2);
  writePrivateFile(path, half.slice(half.indexOf('\n') + 1));
}

function parsed(line: string): WitnessLine | undefined {
  try {
    const witness: unknown = JSON.parse(line);
    if (!isRecord(witness) || typeof witness['at'] !== 'string' || typeof witness['parent'] !== 'number') {
      return undefined;
    }
    const { ids, errors, parent } = witness;
    if (!isRecord(ids) || !isRecord(errors)) return undefined;
    const at = new Date(witness['at']);
    return { at, parent, ids: ids as WitnessLine['ids'], errors: errors as WitnessLine['errors'] };
  } catch {
    return undefined;
  }
}
