import { BatchGetSecretValueCommand, GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { describe, expect, it } from 'vitest';
import { SecretsManagerSource } from '../../../../shared/openclaw/secrets-manager-source.ts';

type Client = ConstructorParameters<typeof SecretsManagerSource>[0];

const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret';

/** Secrets by name; throws on what it does not expect. */
class FakeClient {
  readonly calls: string[] = [];
  batchFault: Error | undefined;
  fault: Error | undefined;
  hangs = false;
  readonly #names: ReadonlySet<string>;

  constructor(...names: readonly string[]) {
    this.#names = new Set(names);
  }

  async send(command: unknown): Promise<unknown> {
    if (this.hangs) return new Promise(() => undefined);
    if (command instanceof BatchGetSecretValueCommand) {
      const { SecretIdList = [] } = command.input;
      this.calls.push(`batch ${SecretIdList.length}`);
      if (this.batchFault !== undefined) throw this.batchFault;
      const found = SecretIdList.map(nameOf).filter((name) => this.#names.has(name));
      return { SecretValues: found.map(valueOf), Errors: [] };
    }
    if (command instanceof GetSecretValueCommand) {
      const { SecretId = '', VersionId, VersionStage } = command.input;
      this.calls.push(`get ${SecretId}`);
      if (this.fault !== undefined) throw this.fault;
      if (VersionId === undefined && VersionStage !== 'AWSCURRENT') throw new Error('no stage');
      if (!this.#names.has(nameOf(SecretId))) throw named('ResourceNotFoundException');
      return valueOf(nameOf(SecretId));
    }
    throw new Error('an unexpected command');
  }

  asClient(): Client {
    return this;
  }
}

describe('reading from Secrets Manager', () => {
  it('asks for one secret with GetSecretValue and for several in batches of twenty', async () => {
    const one = new FakeClient('a');
    await current(one, ['a']);
    expect(one.calls).toEqual(['get a']);

    const names = Array.from({ length: 45 }, (_, index) => `s${index}`);
    const many = new FakeClient(...names);
    const readings = await current(many, names);
    expect(many.calls).toEqual(['batch 20', 'batch 20', 'batch 5']);
    expect([...readings.keys()].toSorted()).toEqual(names.toSorted());
  });

  it('asks one by one where batches are not allowed, and for what a batch did not have', async () => {
    const client = new FakeClient('a', 'b');
    client.batchFault = named('AccessDeniedException');
    expect(await current(client, ['a', 'b', 'c'])).toEqual(
      new Map([
        ['a', { versionId: 'v-a', text: 'value of a', stages: ['AWSCURRENT'] }],
        ['b', { versionId: 'v-b', text: 'value of b', stages: ['AWSCURRENT'] }],
        ['c', { code: 'NOT_FOUND' }],
      ]),
    );
    const partial = new FakeClient('a', 'b');
    await current(partial, ['a', 'b', 'c']);
    expect(partial.calls).toEqual(['batch 3', 'get c']);
  });

  it('knows what a batch answers by ARN, with its suffix and without', async () => {
    const client = new FakeClient('a', 'b');
    const readings = await current(client, [`${ARN}:a-AbC123`, `${ARN}:b`]);
    expect([...readings.values()]).toMatchObject([{ versionId: 'v-a' }, { versionId: 'v-b' }]);
    expect(client.calls).toEqual(['batch 2']);
  });

  it.each([
    [named('AccessDeniedException'), 'ACCESS_DENIED'],
    [named('ResourceNotFoundException'), 'NOT_FOUND'],
    [named('DecryptionFailure'), 'DECRYPTION_FAILED'],
    [named('InvalidRequestException'), 'DELETED'],
    [named('ThrottlingException'), 'THROTTLED'],
    [named('CredentialsProviderError'), 'NO_CREDENTIALS'],
    [named('Whatever', { $metadata: { httpStatusCode: 503 } }), 'UNAVAILABLE'],
    [named('Error', { code: 'ECONNREFUSED' }), 'UNAVAILABLE'],
    [named('Whatever'), 'FAILED'],
  ])('says what %s is', async (fault, code) => {
    const client = new FakeClient('a');
    client.fault = fault;
    expect(await current(client, ['a'])).toEqual(new Map([['a', { code }]]));
  });

  it('waits for nothing beyond its signal, not even for credentials', async () => {
    const client = new FakeClient('a', 'b');
    client.hangs = true;
    const over = new AbortController();
    const source = new SecretsManagerSource(client.asClient(), over.signal);
    const both = source.current(['a', 'b']);
    const version = source.version('a', 'v1');
    over.abort();
    expect([...(await both).values(), await version]).toEqual([
      { code: 'TIMEOUT' },
      { code: 'TIMEOUT' },
      { code: 'TIMEOUT' },
    ]);
  });
});

function current(client: FakeClient, ids: readonly string[]) {
  return new SecretsManagerSource(client.asClient(), new AbortController().signal).current(ids);
}

function nameOf(secretId: string): string {
  return secretId.replace(`${ARN}:`, '').replace(/-[A-Za-z0-9]{6}$/, '');
}

function valueOf(name: string) {
  return {
    Name: name,
    ARN: `${ARN}:${name}-AbC123`,
    VersionId: `v-${name}`,
    VersionStages: ['AWSCURRENT'],
    SecretString: `value of ${name}`,
  };
}

function named(name: string, more: object = {}): Error {
  return Object.assign(new Error('a message of AWS'), { name, ...more });
}
