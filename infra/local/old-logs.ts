import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const KEPT = 8;

/** Leaves the newest logs whose names start like this; each start of the cloud or of a database writes a new one. */
export async function removeOldLogs(directory: string, prefix: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => name.startsWith(prefix) && name.endsWith('.log'));
  const logs = await Promise.all(
    // Another process may remove one at the same time: then it is the oldest of all.
    names.map(async (name) => ({
      name,
      time: (await stat(join(directory, name)).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  );
  const old = logs.sort((a, b) => b.time - a.time).slice(KEPT);
  for (const { name } of old) await rm(join(directory, name), { force: true });
}
