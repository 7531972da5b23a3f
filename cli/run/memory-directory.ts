import { mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** File systems that live in memory. statfs(2) */
const MEMORY_TYPES: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** Whether `path` is on a file system that Linux keeps in memory; always `false` elsewhere. */
export function isInMemory(path: string): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return MEMORY_TYPES.has(statfsSync(path).type);
  } catch {
    return false;
  }
}

/** Where directories in memory may be made, the best first: /run/user/UID goes when its user logs out. */
export function memoryPlaces(): readonly string[] {
  return ['/dev/shm', `/run/user/${process.getuid?.() ?? 0}`];
}

/** Makes a directory that only this user may enter: in memory where one of `places` is, else among the temporary files. */
export function makePrivateDirectory(places: readonly string[] = memoryPlaces()): string {
  for (const place of places.filter(isInMemory)) {
    try {
      return mkdtempSync(join(place, 'rekey-'));
    } catch {
      // Not writable for this user: the next one.
    }
  }
  return mkdtempSync(join(tmpdir(), 'rekey-'));
}
