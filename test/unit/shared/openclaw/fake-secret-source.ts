import type { SecretReading, SecretSource } from '../../../../shared/openclaw/secret-source.ts';

/** Secrets in memory; throws on nothing, as the port says. */
export class FakeSecretSource implements SecretSource {
  readonly reads: string[] = [];
  readonly #versions = new Map<string, { versionId: string; text: string; stages: string[] }[]>();

  put(name: string, versionId: string, text: string, ...stages: string[]): this {
    this.#versions.set(name, [...(this.#versions.get(name) ?? []), { versionId, text, stages }]);
    return this;
  }

  async current(secretIds: readonly string[]): Promise<ReadonlyMap<string, SecretReading>> {
    this.reads.push(...secretIds);
    return new Map(
      secretIds.map((secretId) => [
        secretId,
        this.#versions.get(secretId)?.find(({ stages }) => stages.includes('AWSCURRENT')) ?? { code: 'NOT_FOUND' },
      ]),
    );
  }

  async version(secretId: string, versionId: string): Promise<SecretReading> {
    this.reads.push(`${secretId}@${versionId}`);
    return this.#versions.get(secretId)?.find((one) => one.versionId === versionId) ?? { code: 'NOT_FOUND' };
  }
}
