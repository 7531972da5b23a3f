import { isRecord } from './protocol.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

/** Which version of a secret the provider serves while a rollout is under way, and until when. */
export interface ServeEntry {
  readonly versionId: string;
  readonly expiresAt: Date;
}

/** What one `rekey openclaw follow` tells the provider beside it. Holds names and version ids, never a value. */
export class ServeFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** By name. What cannot be understood is not there: AWSCURRENT always works. */
  read(): ReadonlyMap<string, ServeEntry> {
    const entries = parsed(readPrivateFile(this.#path));
    return new Map(
      Object.entries(entries).flatMap(([name, entry]) => {
        const read = entryOf(entry);
        return read === undefined ? [] : [[name, read] as const];
      }),
    );
  }

  set(name: string, entry: ServeEntry): void {
    this.#write(new Map([...this.read(), [name, entry]]));
  }

  delete(name: string): void {
    const entries = new Map(this.read());
    if (entries.delete(name)) this.#write(entries);
  }

  #write(entries: ReadonlyMap<string, ServeEntry>): void {
    const serve = Object.fromEntries(
      [...entries].map(([name, { versionId, expiresAt }]) => [name, { versionId, expiresAt: expiresAt.toISOString() }]),
    );
    writePrivateFile(this.#path, `${JSON.stringify({ serve })}\n`);
  }
}

function parsed(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = text === undefined ? undefined : JSON.parse(text);
    return isRecord(document) && isRecord(document['serve']) ? document['serve'] : {};
  } catch {
    return {};
  }
}

function entryOf(entry: unknown): ServeEntry | undefined {
  if (!isRecord(entry)) return undefined;
  const { versionId, expiresAt } = entry;
  if (typeof versionId !== 'string' || typeof expiresAt !== 'string') return undefined;
  const date = new Date(expiresAt);
  return Number.isNaN(date.getTime()) ? undefined : { versionId, expiresAt: date };
}
