import { mkdirSync, mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';

const PARENT = resolve(import.meta.dirname, '../../../.local/test');

/** An empty directory below the checkout's own working directory, where leftovers of an interrupted run do no harm. */
export function temporaryDirectory(prefix: string): string {
  mkdirSync(PARENT, { recursive: true });
  return mkdtempSync(join(PARENT, prefix));
}
