import { Misconfigured } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import type { NewSecret, SecretDescription, SecretStore, SecretVersion, Stage } from '../../shared/secret-store.ts';

interface Version {
  readonly value: string;
  readonly stages: Set<string>;
}

/** Secrets Manager's labelling rules, in memory: passes the same contract suite as the adapter. */
export class InMemorySecretStore implements SecretStore {
  readonly #secrets = new Map<string, Map<string, Version>>();
  /** Secrets that Secrets Manager's own scheduler rotates. */
  readonly rotated = new Set<string>();

  /** A secret as somebody made it by hand. */
  seed(name: string, value?: string, versionId: string = crypto.randomUUID()): string {
    this.#secrets.set(
      name,
      new Map(value === undefined ? [] : [[versionId, { value, stages: new Set(['AWSCURRENT']) }]]),
    );
    return versionId;
  }

  async describe(secretId: string): Promise<SecretDescription | undefined> {
    const versions = this.#secrets.get(secretId);
    if (versions === undefined) return undefined;
    const staged = [...versions].filter(([, { stages }]) => stages.size > 0);
    return {
      arn: `arn:aws:secretsmanager:us-east-1:000000000000:secret:${secretId}-AbCdEf`,
      name: secretId,
      stagesByVersion: Object.fromEntries(staged.map(([id, { stages }]) => [id, [...stages]])),
      rotationEnabled: this.rotated.has(secretId),
    };
  }

  async create(secret: NewSecret): Promise<'created' | 'exists'> {
    if (this.#secrets.has(secret.name)) return 'exists';
    this.#secrets.set(secret.name, new Map());
    return 'created';
  }

  async read(
    secretId: string,
    which: { readonly versionId: string } | { readonly stage: Stage },
  ): Promise<SecretVersion | undefined> {
    const versions = this.#secrets.get(secretId);
    if (versions === undefined) return undefined;
    const id = 'versionId' in which ? which.versionId : withStage(versions, which.stage);
    const version = id === undefined ? undefined : versions.get(id);
    if (id === undefined || version === undefined) return undefined;
    return { versionId: id, stages: [...version.stages], value: new SecretText(version.value), createdAt: new Date(0) };
  }

  async putPending(secretId: string, versionId: string, value: SecretText): Promise<'stored' | 'conflict'> {
    const versions = this.#versions(secretId);
    const existing = versions.get(versionId);
    if (existing !== undefined) return existing.value === value.reveal() ? 'stored' : 'conflict';
    const first = versions.size === 0;
    versions.set(versionId, { value: value.reveal(), stages: new Set() });
    this.#attach(versions, 'AWSPENDING', versionId);
    if (first) this.#attach(versions, 'AWSCURRENT', versionId);
    return 'stored';
  }

  async promote(
    secretId: string,
    move: { readonly from: string | undefined; readonly to: string },
  ): Promise<'moved' | 'lost'> {
    const versions = this.#versions(secretId);
    if (!versions.has(move.to) || withStage(versions, 'AWSCURRENT') !== move.from) return 'lost';
    this.#attach(versions, 'AWSCURRENT', move.to);
    return 'moved';
  }

  async clearPending(secretId: string, versionId: string): Promise<void> {
    this.#versions(secretId).get(versionId)?.stages.delete('AWSPENDING');
  }

  #versions(secretId: string): Map<string, Version> {
    const versions = this.#secrets.get(secretId);
    if (versions === undefined) throw new Misconfigured(`The secret "${secretId}" does not exist.`);
    return versions;
  }

  #attach(versions: Map<string, Version>, stage: string, to: string): void {
    const from = withStage(versions, stage);
    if (from === to) return;
    if (from !== undefined) versions.get(from)?.stages.delete(stage);
    if (stage === 'AWSCURRENT' && from !== undefined) {
      for (const { stages } of versions.values()) stages.delete('AWSPREVIOUS');
      versions.get(from)?.stages.add('AWSPREVIOUS');
      versions.get(to)?.stages.delete('AWSPREVIOUS');
    }
    versions.get(to)?.stages.add(stage);
  }
}

function withStage(versions: Map<string, Version>, stage: string): string | undefined {
  return [...versions].find(([, { stages }]) => stages.has(stage))?.[0];
}
