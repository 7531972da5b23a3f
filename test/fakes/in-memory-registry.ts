import { parseRecord, parseRotation, serialiseRecord, serialiseRotation } from '../../shared/registry/record-schema.ts';
import type { AuditHead, AuditTrail } from '../../shared/audit/audit-trail.ts';
import type { Registry, RotationRecord, SaveWith, SecretRecord } from '../../shared/registry/registry.ts';
import { InMemoryAuditTrail } from './in-memory-audit-trail.ts';

/** Keeps records as the text that DynamoDB would hold, so that nothing passes here that would not survive storage. */
export class InMemoryRegistry implements Registry {
  readonly #records = new Map<
    string,
    { readonly text: string; readonly revision: number; readonly auditHead: AuditHead | undefined }
  >();
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
    this.#records.set(secretId, { text: serialiseRecord(record), revision: record.revision + 1, auditHead });
    if (archived !== undefined) {
      this.#archived.set(`${record.secretId}#${archived.rotationId}`, serialiseRotation(archived));
    }
    return 'saved';
  }

  async archivedRotation(secretId: string, rotationId: string): Promise<RotationRecord | undefined> {
    const text = this.#archived.get(`${secretId}#${rotationId}`);
    return text === undefined ? undefined : parseRotation(text);
  }

  async findDue(now: Date, limit: number): Promise<readonly SecretRecord[]> {
    const due: SecretRecord[] = [];
    for await (const record of this.list()) {
      if (record.status === 'active' && record.dueAt !== undefined && record.dueAt <= now) due.push(record);
    }
    return due.sort((a, b) => Number(a.dueAt) - Number(b.dueAt)).slice(0, limit);
  }

  async *list(): AsyncIterable<SecretRecord> {
    for (const stored of this.#records.values()) yield parseRecord(stored.text, stored);
  }
}
