import type { AuditEntry, AuditHead } from './audit-trail.ts';
import { exportLine, GENESIS, hashOf } from './chain.ts';
import { type LineFault, type ParsedLine, parseLine } from './entry-line.ts';
import { type UnreadableLine } from './export-lines.ts';

/**
 * `changed`: the bytes are not those that were hashed. `unlinked`: hashed correctly, but not after the entry before.
 * `truncated` and `head_mismatch` need heads that are known from elsewhere. `head_behind`: entries after the live head.
 */
export type ChainProblem =
  | 'malformed'
  | 'changed'
  | 'missing'
  | 'reordered'
  | 'duplicate'
  | 'unlinked'
  | 'foreign'
  | 'truncated'
  | 'head_mismatch'
  | 'head_behind';

export interface IntactChain {
  readonly verified: true;
  readonly secrets: number;
  readonly entries: number;
  readonly heads: ReadonlyMap<string, AuditHead>;
  /** Timestamp of the newest entry. */
  readonly newest: string | undefined;
}

/** The first broken link. */
export interface BrokenChain {
  readonly verified: false;
  /** Secrets and entries that were read and in order before it. */
  readonly secrets: number;
  readonly entries: number;
  /** Unknown for a malformed line. */
  readonly secretId: string | undefined;
  /** The place in the secret's chain that does not hold what it should. */
  readonly sequence: number | undefined;
  /** The line (from 1) at which it was seen; `undefined` when it is an entry that should follow the last. */
  readonly line: number | undefined;
  readonly problem: ChainProblem;
  /** What is wrong, as a clause for people, without anything from the entry. */
  readonly detail: string;
}

export type Verification = IntactChain | BrokenChain;

export interface VerifyOptions {
  /** Heads known from elsewhere: the live table, a signature. A chain has to reach its head, and may go on after it. */
  readonly heads?: ReadonlyMap<string, AuditHead>;
  /** Accept entries of this secret only. */
  readonly only?: string;
}

/**
 * Verifies chains, one or many secrets mixed, entry by entry in constant memory per secret, and names the first broken
 * link. Hashes the bytes as they stand; nothing is serialised again. Reads only.
 *
 * Its limit: hashes hold a chain together but prove no author. Who can write the whole file can compute every hash
 * anew, and can cut entries off the end; only `heads` from a place out of that writer's reach show it (the live table
 * now, daily signed heads in S3 with Object Lock).
 */
export async function verifyChain(
  items: AsyncIterable<string | AuditEntry | UnreadableLine> | Iterable<string | AuditEntry | UnreadableLine>,
  options: VerifyOptions = {},
): Promise<Verification> {
  const verifier = new ChainVerifier(options);
  for await (const item of items) if (!verifier.accept(item)) break;
  return verifier.finish();
}

/** `verifyChain` one item at a time, for callers that have lines in blocks. */
export class ChainVerifier {
  readonly #expected: ReadonlyMap<string, AuditHead>;
  readonly #only: string | undefined;
  readonly #heads = new Map<string, AuditHead>();
  #entries = 0;
  #line = 0;
  #newest: string | undefined;
  #broken: BrokenChain | undefined;
  /** While an entry is missing: reading on only shows whether it comes later. */
  #gap: { readonly secretId: string; readonly sequence: number } | undefined;

  constructor({ heads = new Map(), only }: VerifyOptions = {}) {
    this.#expected = heads;
    this.#only = only;
  }

  /** Takes the next item; `false` once the answer is certain and the rest need not be read. */
  accept(item: string | AuditEntry | UnreadableLine): boolean {
    this.#line += 1;
    const parsed = parseItem(item);
    if (this.#gap !== undefined) return this.#lookForGap(parsed);
    if (typeof parsed === 'string') return this.#break({ problem: 'malformed', detail: FAULT_DETAIL[parsed] });
    return this.#link(parsed);
  }

  /** The answer over all that was accepted. Changes nothing: asking again gives the same. */
  finish(): Verification {
    if (this.#broken === undefined) this.#checkEnds();
    if (this.#broken !== undefined) return this.#broken;
    return {
      verified: true,
      secrets: this.#heads.size,
      entries: this.#entries,
      heads: this.#heads,
      newest: this.#newest,
    };
  }

  #link({ entry, canonical }: ParsedLine): boolean {
    const { secret_id: secretId, sequence } = entry;
    if (this.#only !== undefined && secretId !== this.#only) {
      const due = (this.#heads.get(this.#only) ?? GENESIS).sequence + 1;
      const detail = 'an entry of another secret is in its place';
      return this.#break({ secretId: this.#only, sequence: due, problem: 'foreign', detail });
    }
    const before = this.#heads.get(secretId) ?? GENESIS;
    const due = before.sequence + 1;
    if (hashOf(canonical) !== entry.hash) {
      const detail = 'its content was changed: the SHA-256 of its bytes is not its hash';
      return this.#break({ secretId, sequence: due, problem: 'changed', detail });
    }
    if (sequence < due) {
      return this.#break({ secretId, sequence, problem: 'duplicate', detail: 'it was already there' });
    }
    if (sequence > due) {
      this.#gap = { secretId, sequence: due };
      return this.#break({ secretId, sequence: due, problem: 'missing', detail: 'it is missing' }, true);
    }
    if (entry.previous_hash !== before.hash) {
      const detail = 'it does not follow the entry before it: one of the two was replaced';
      return this.#break({ secretId, sequence, problem: 'unlinked', detail });
    }
    const expected = this.#expected.get(secretId);
    if (expected?.sequence === sequence && expected.hash !== entry.hash) {
      const detail = 'it is not the entry that the known head names';
      return this.#break({ secretId, sequence, problem: 'head_mismatch', detail });
    }
    this.#heads.set(secretId, { sequence, hash: entry.hash });
    this.#entries += 1;
    if (this.#newest === undefined || entry.timestamp > this.#newest) this.#newest = entry.timestamp;
    return true;
  }

  #lookForGap(parsed: ParsedLine | LineFault): boolean {
    const found =
      typeof parsed !== 'string' &&
      parsed.entry.sequence === this.#gap?.sequence &&
      parsed.entry.secret_id === this.#gap.secretId;
    if (!found || this.#broken === undefined) return true;
    const detail = `it is out of order: it comes later, at line ${this.#line}`;
    this.#broken = { ...this.#broken, problem: 'reordered', detail };
    return false;
  }

  #checkEnds(): void {
    for (const [secretId, head] of this.#expected) {
      const { sequence } = this.#heads.get(secretId) ?? GENESIS;
      if (sequence >= head.sequence) continue;
      const detail = `it is missing: the end was cut off, the known head is entry ${head.sequence}`;
      this.#broken = this.#breakAt({ secretId, sequence: sequence + 1, problem: 'truncated', detail }, undefined);
      return;
    }
  }

  #break(finding: Finding, readOn = false): boolean {
    this.#broken = this.#breakAt(finding, this.#line);
    return readOn;
  }

  #breakAt(finding: Finding, line: number | undefined): BrokenChain {
    const counts = { secrets: this.#heads.size, entries: this.#entries };
    return { verified: false, ...counts, secretId: undefined, sequence: undefined, line, ...finding };
  }
}

interface Finding {
  readonly secretId?: string;
  readonly sequence?: number;
  readonly problem: ChainProblem;
  readonly detail: string;
}

const FAULT_DETAIL: Readonly<Record<LineFault, string>> = {
  too_long: 'it is longer than any entry can be',
  not_text: 'it is not UTF-8 text',
  not_json: 'it is not JSON',
  not_an_entry: 'it does not have the members of an audit entry',
  not_as_written: 'it is not as written: another spelling of the JSON than the one that was hashed, or a repeated key',
};

function parseItem(item: string | AuditEntry | UnreadableLine): ParsedLine | LineFault {
  if (typeof item === 'string') return parseLine(item);
  if ('fault' in item) return item.fault;
  try {
    return parseLine(exportLine(item));
  } catch {
    return 'not_as_written';
  }
}
