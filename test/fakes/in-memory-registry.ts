import { parseRecord, parseRotation, serialiseRecord, serialiseRotation } from '../../shared/registry/record-schema.ts';
import type { Registry, RotationRecord, SecretRecord } from '../../shared/registry/registry.ts';

/** Keeps records as the text that DynamoDB would hold, so that nothing passes here that would not survive storage. */
export class InMemoryRegistry implements Registry {
  readonly #records = new Map<string, { readonly text: string; readonly revision: number }>();
  readonly #archived = new Map<string, string>();

  async get(secretId: string): Promise<SecretRecord | undefined> {
    const stored = this.#records.get(secretId);
    return stored === undefined ? undefined : parseRecord(stored.text, stored.revision);
  }

  async save(record: SecretRecord, archived?: RotationRecord): Promise<'saved' | 'conflict'> {
    const stored = this.#records.get(record.secretId);
    const isRepetition = stored?.revision === record.revision + 1 && stored.text === serialiseRecord(record);
    if (isRepetition) return 'saved';
    if ((stored?.revision ?? 0) !== record.revision) return 'conflict';
    this.#records.set(record.secretId, { text: serialiseRecord(record), revision: record.revision + 1 });
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
    for (const { text, revision } of this.#records.values()) yield parseRecord(text, revision);
  }
}
