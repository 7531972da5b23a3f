import { InternalFault } from '../errors.ts';
import type { AuditEntry } from './audit-trail.ts';
import { parseLine } from './entry-line.ts';

/** Entries from a trail's lines. Checks the form, not the hashes; throws `InternalFault` on a line that is not one. */
export async function* readEntries(lines: AsyncIterable<string>): AsyncGenerator<AuditEntry> {
  for await (const line of lines) {
    const parsed = parseLine(line);
    if (typeof parsed === 'string') {
      throw new InternalFault('An audit entry is not as it was written: run `rekey audit verify`.');
    }
    yield parsed.entry;
  }
}
