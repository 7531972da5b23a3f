import {
  BatchGetSecretValueCommand,
  GetSecretValueCommand,
  type GetSecretValueCommandInput,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import type { ErrorCode } from './protocol.ts';
import { namesOf } from './secret-reference.ts';
import type { SecretReading, SecretSource } from './secret-source.ts';

/** https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html */
const SECRETS_PER_BATCH = 20;
const CALLS_AT_ONCE = 16;

const CODES: Readonly<Record<string, ErrorCode>> = {
  AbortError: 'TIMEOUT',
  TimeoutError: 'TIMEOUT',
  AccessDeniedException: 'ACCESS_DENIED',
  AccessDenied: 'ACCESS_DENIED',
  CredentialsProviderError: 'NO_CREDENTIALS',
  DecryptionFailure: 'DECRYPTION_FAILED',
  DecryptionFailureException: 'DECRYPTION_FAILED',
  ExpiredTokenException: 'NO_CREDENTIALS',
  InternalServiceError: 'UNAVAILABLE',
  // "You tried to perform the operation on a secret that's currently marked deleted", among other states of a secret.
  InvalidRequestException: 'DELETED',
  InvalidParameterException: 'INVALID_ID',
  ResourceNotFoundException: 'NOT_FOUND',
  ThrottlingException: 'THROTTLED',
  UnrecognizedClientException: 'NO_CREDENTIALS',
  ValidationException: 'INVALID_ID',
};

type Read = Pick<SecretsManagerClient, 'send'>;

/**
 * SecretSource on AWS Secrets Manager. Several secrets come by BatchGetSecretValue; where that is not allowed (it is a
 * permission of its own), or does not name a secret as it was asked for, by GetSecretValue. Nothing is waited for
 * beyond `signal`: what is missing then is a TIMEOUT.
 */
export class SecretsManagerSource implements SecretSource {
  readonly #client: Read;
  readonly #signal: AbortSignal;

  constructor(client: Read, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  async current(secretIds: readonly string[]): Promise<ReadonlyMap<string, SecretReading>> {
    const readings = new Map<string, SecretReading>();
    if (secretIds.length > 1) {
      const chunks = Array.from({ length: Math.ceil(secretIds.length / SECRETS_PER_BATCH) }, (_, index) =>
        secretIds.slice(index * SECRETS_PER_BATCH, (index + 1) * SECRETS_PER_BATCH),
      );
      await eachAtOnce(chunks, async (chunk) => {
        for (const [secretId, reading] of await this.#batch(chunk)) readings.set(secretId, reading);
      });
    }
    const rest = secretIds.filter((secretId) => !readings.has(secretId));
    await eachAtOnce(rest, async (secretId) => {
      readings.set(secretId, await this.#get({ SecretId: secretId, VersionStage: 'AWSCURRENT' }));
    });
    return readings;
  }

  version(secretId: string, versionId: string): Promise<SecretReading> {
    return this.#get({ SecretId: secretId, VersionId: versionId });
  }

  async #get(input: GetSecretValueCommandInput): Promise<SecretReading> {
    try {
      return readingOf(
        await this.#inTime(() => this.#client.send(new GetSecretValueCommand(input), { abortSignal: this.#signal })),
      );
    } catch (error) {
      return { code: codeOf(error) };
    }
  }

  /** Only what it has a value for: each fault is asked about again, by the call that says what it is. */
  async #batch(SecretIdList: readonly string[]): Promise<ReadonlyMap<string, SecretReading>> {
    try {
      const { SecretValues = [] } = await this.#inTime(() =>
        this.#client.send(new BatchGetSecretValueCommand({ SecretIdList: [...SecretIdList] }), {
          abortSignal: this.#signal,
        }),
      );
      return new Map(
        SecretIdList.flatMap((secretId) => {
          const names = namesOf(secretId);
          const found = SecretValues.find(({ ARN }) => ARN === secretId);
          const named = SecretValues.filter(({ Name }) => Name !== undefined && names.includes(Name));
          // An ARN without its suffix may look like one with: two candidates are no answer.
          const value = found ?? (named.length === 1 ? named[0] : undefined);
          return value === undefined ? [] : [[secretId, readingOf(value)] as const];
        }),
      );
    } catch {
      return new Map();
    }
  }

  /** Also where the SDK is still looking for credentials, which no signal ends. */
  async #inTime<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    const signal = this.#signal;
    const { promise: over, reject } = Promise.withResolvers<never>();
    const end = () => reject(Object.assign(new Error('no time left'), { name: 'TimeoutError' }));
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    try {
      return await Promise.race([call(), over]);
    } finally {
      signal.removeEventListener('abort', end);
    }
  }
}

function readingOf(answer: {
  readonly SecretString?: string | undefined;
  readonly VersionId?: string | undefined;
  readonly VersionStages?: string[] | undefined;
}): SecretReading {
  const { SecretString: text, VersionId: versionId = '', VersionStages: stages = [] } = answer;
  return text === undefined ? { code: 'BINARY' } : { text, versionId, stages };
}

function codeOf(error: unknown): ErrorCode {
  const { name, $metadata, code } = (error ?? {}) as {
    readonly name?: unknown;
    readonly code?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  if (typeof name === 'string' && Object.hasOwn(CODES, name)) return CODES[name] ?? 'FAILED';
  const status = $metadata?.httpStatusCode ?? 0;
  if (status === 429) return 'THROTTLED';
  // A system error of Node's: the network.
  if (status >= 500 || typeof code === 'string') return 'UNAVAILABLE';
  return 'FAILED';
}

async function eachAtOnce<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(CALLS_AT_ONCE, items.length) }, worker));
}
