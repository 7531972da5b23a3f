import type { AuditEntry, AuditHead, AuditOperation, AuditTrail, ReadOptions } from '../../shared/audit/audit-trail.ts';
import { GENESIS, linkEntries } from '../../shared/audit/chain.ts';
import { checkOperations } from '../../shared/audit/check-operations.ts';
import { lineOf } from '../../shared/audit/entry-line.ts';
import { readEntries } from '../../shared/audit/read-entries.ts';

interface Chain {
  head: AuditHead;
  readonly lines: string[];
  readonly operationIds: Set<string>;
}

/** The audit trail in memory: same answers, same refusals. Appends are atomic because nothing in them waits. */
export class InMemoryAuditTrail implements AuditTrail {
  readonly #chains = new Map<string, Chain>();
  readonly #failures: Error[] = [];

  /** The next `append` throws `error` and writes nothing. */
  failNextAppend(error: Error): void {
    this.#failures.push(error);
  }

  /** Every entry of a secret, or of all, parsed: for assertions. */
  entries(secretId?: string): readonly AuditEntry[] {
    const chains = [...this.#chains].filter(([id]) => secretId === undefined || id === secretId);
    return chains.flatMap(([, chain]) => chain.lines.map((line) => JSON.parse(line) as AuditEntry));
  }

  async append(secretId: string, operations: readonly AuditOperation[]): Promise<AuditHead> {
    const wanted = checkOperations(secretId, operations);
    const failure = this.#failures.shift();
    if (failure !== undefined) throw failure;
    const chain = this.#chains.get(secretId) ?? { head: GENESIS, lines: [], operationIds: new Set() };
    const missing = wanted.filter(({ operationId }) => !chain.operationIds.has(operationId));
    for (const entry of linkEntries(secretId, chain.head, missing)) {
      chain.lines.push(lineOf(entry.canonical, entry.hash));
      chain.operationIds.add(entry.operationId);
      chain.head = { sequence: entry.sequence, hash: entry.hash };
    }
    if (chain.lines.length > 0) this.#chains.set(secretId, chain);
    return chain.head;
  }

  async head(secretId: string): Promise<AuditHead | undefined> {
    return this.#chains.get(secretId)?.head;
  }

  read(secretId: string, options?: ReadOptions): AsyncIterable<AuditEntry> {
    return readEntries(this.lines(secretId, options));
  }

  async *lines(secretId: string, { from = 1 }: ReadOptions = {}): AsyncGenerator<string> {
    yield* (this.#chains.get(secretId)?.lines ?? []).slice(Math.max(1, from) - 1);
  }

  async *secretIds(): AsyncGenerator<string> {
    yield* this.#chains.keys();
  }
}
