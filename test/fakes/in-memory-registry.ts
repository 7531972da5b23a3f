import { RecordUnreadable } from '../../shared/errors.ts';
import { parseRecord, parseRotation, serialiseRecord, serialiseRotation } from '../../shared/registry/record-schema.ts';
import type { AuditHead, AuditTrail } from '../../shared/audit/audit-trail.ts';
import type { DueRecords, Registry, RotationRecord, SaveWith, SecretRecord } from '../../shared/registry/registry.ts';
import { InMemoryAuditTrail } from './in-memory-audit-trail.ts';

interface Stored {
  readonly secretId: string;
  readonly text: string;
  readonly revision: number;
  readonly auditHead: AuditHead | undefined;
  /** As the index has it: beside the text. */
  readonly dueAt: Date | undefined;
}

/** Keeps records as the text that DynamoDB would hold, so that nothing passes here that would not survive storage. */
export class InMemoryRegistry implements Registry {
  readonly #records = new Map<string, Stored>();
  readonly #archived = new Map<string, string>();
  readonly #auditTrail: AuditTrail;

  #turn: Promise<unknown> = Promise.resolve();

  constructor(auditTrail: AuditTrail = new InMemoryAuditTrail()) {
    this.#auditTrail = auditTrail;
  }

  async get(secretId: string): Promise<SecretRecord | undefined> {
    const stored = this.#records.get(secretId);
    return stored === undefined ? undefined : parseRecord(stored.text, stored);
  }

  /** One after the other, so that record and entries are one step here too. */
  save(record: SecretRecord, also: SaveWith = {}): Promise<'saved' | 'conflict'> {
    const saving = this.#turn.then(() => this.#save(record, also));
    this.#turn = saving.catch(() => undefined);
    return saving;
  }

  async #save(record: SecretRecord, { archived, entries }: SaveWith): Promise<'saved' | 'conflict'> {
    const stored = this.#records.get(record.secretId);
    const isRepetition = stored?.revision === record.revision + 1 && stored.text === serialiseRecord(record);
    if (isRepetition) return 'saved';
    if ((stored?.revision ?? 0) !== record.revision) return 'conflict';
    const { rotation, secretId } = record;
    const isReplaced = rotation !== undefined && this.#archived.has(`${secretId}#${rotation.rotationId}`);
    if (archived !== undefined && isReplaced) return 'conflict';
    const auditHead = entries === undefined ? record.auditHead : await this.#auditTrail.append(secretId, entries);
    this.#records.set(secretId, {
      secretId,
      text: serialiseRecord(record),
      revision: record.revision + 1,
      auditHead,
      dueAt: record.status === 'active' ? record.dueAt : undefined,
    });
    if (archived !== undefined) {
      this.#archived.set(`${record.secretId}#${archived.rotationId}`, serialiseRotation(archived));
    }
    return 'saved';
  }

  async archivedRotation(secretId: string, rotationId: string): Promise<RotationRecord | undefined> {
    const text = this.#archived.get(`${secretId}#${rotationId}`);
    return text === undefined ? undefined : parseRotation(text, secretId);
  }

  async findDue(now: Date, limit: number): Promise<DueRecords> {
    const due = [...this.#records.values()].filter(({ dueAt }) => dueAt !== undefined && dueAt <= now);
    const { records, unreadable } = sorted(due.sort((a, b) => Number(a.dueAt) - Number(b.dueAt)));
    return { records: records.slice(0, limit), unreadable };
  }

  async *list(): AsyncIterable<SecretRecord> {
    const { records, unreadable } = sorted([...this.#records.values()]);
    yield* records;
    if (unreadable.length > 0) throw new RecordUnreadable(unreadable);
  }

  /** Writes over a record's text, as another version of Rekey or a person might: no rule holds. */
  spoil(secretId: string, text: string): void {
    const stored = this.#records.get(secretId);
    if (stored === undefined) throw new Error(`There is no record of ${secretId}.`);
    this.#records.set(secretId, { ...stored, text });
  }
}

function sorted(stored: readonly Stored[]): DueRecords {
  const records: SecretRecord[] = [];
  const unreadable: string[] = [];
  for (const entry of stored) {
    try {
      records.push(parseRecord(entry.text, entry));
    } catch (error) {
      if (!(error instanceof RecordUnreadable)) throw error;
      unreadable.push(entry.secretId);
    }
  }
  return { records, unreadable };
}
