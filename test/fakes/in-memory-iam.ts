import { IAMClient } from '@aws-sdk/client-iam';
import { STSClient } from '@aws-sdk/client-sts';
import { SecretText } from '../../shared/redact.ts';
import type { AwsClients } from '../../shared/rotators/iam/aws-clients.ts';
import type { ManualClock } from './manual-clock.ts';

export const USER = 'app';
const ARN = `arn:aws:iam::000000000000:user/${USER}`;
const MOST_KEYS = 2;
const ROOT = { accessKeyId: 'ASIAROOT000000000000', secretAccessKey: 'any' };

type Status = 'Active' | 'Inactive' | 'Deleted';

type Person = 'rekey' | 'somebody';

interface Change {
  readonly status: Status;
  readonly by: Person;
  /** Whether somebody had used the key then. */
  readonly wasUsed: boolean;
  /** When each host of AWS learns of it. */
  readonly knownAt: number[];
}
export interface InMemoryKey {
  readonly id: string;
  readonly madeAt: number;
  readonly madeBy: Person;
  readonly changes: Change[];
  isUsed: boolean;
}

export interface InMemoryIamOptions {
  readonly clock: ManualClock;
  /** What IAM's clock is ahead of the test's. */
  readonly aheadMilliseconds?: number;
  /** How many hosts answer; each knows of a change as late as `lag` says. One host that knows at once, by default. */
  readonly hosts?: number;
  readonly lagMilliseconds?: (status: Status) => number;
  /** Which host answers the next request. */
  readonly route?: () => number;
  /** Before each request is carried out. */
  readonly meanwhile?: (action: string) => void;
  /** What becomes of the next request for a key. */
  readonly creation?: () => 'answered' | 'answer lost' | 'request lost' | 'throttled';
}

/**
 * The access keys of one user, behind the SDK's real clients, whose changes spread to several hosts as AWS's do: what one
 * host answers, the next may not know. It asks for no signature: who has a key's id has the key.
 */
export class InMemoryIam {
  readonly keys: InMemoryKey[] = [];
  readonly #options: Required<InMemoryIamOptions>;

  constructor(options: InMemoryIamOptions) {
    this.#options = {
      aheadMilliseconds: 0,
      hosts: 1,
      lagMilliseconds: () => 0,
      route: () => 0,
      meanwhile: () => undefined,
      creation: () => 'answered',
      ...options,
    };
  }

  get #now(): number {
    return this.#options.clock.now().getTime();
  }

  /** IAM's own time, which tells whole seconds. */
  get #told(): number {
    return Math.floor((this.#now + this.#options.aheadMilliseconds) / 1000) * 1000;
  }

  get clients(): AwsClients {
    const requestHandler = {
      handle: async (request: { readonly headers: Record<string, string>; readonly body?: string }) => ({
        response: this.#answer(request),
      }),
      metadata: { handlerProtocol: 'http/1.1' },
      updateHttpClientConfig: () => undefined,
      httpHandlerConfigs: () => ({}),
      destroy: () => undefined,
    };
    // Its time is the test's; the SDK would take every refusal for one of a wrong clock.
    const common = { region: 'us-east-1', requestHandler, maxAttempts: 1, disableClockSkewCorrection: true } as const;
    return {
      iam: ({ credentials = ROOT }) => new IAMClient({ ...common, credentials }),
      sts: ({ credentials = ROOT }) => new STSClient({ ...common, credentials }),
    };
  }

  /** A key that every host has known for long. */
  seed(): SecretText {
    const key = this.#make('somebody', this.#told - 86_400_000);
    key.changes[0]?.knownAt.fill(0);
    return valueOf(key);
  }

  /** Somebody else makes a key; `undefined`: there is no room for it. */
  makeByHand(): InMemoryKey | undefined {
    return this.alive.length < MOST_KEYS ? this.#make('somebody') : undefined;
  }

  /** What there is, whatever the hosts know. */
  get alive(): readonly InMemoryKey[] {
    return this.keys.filter((key) => statusOf(key) !== 'Deleted');
  }

  change(key: InMemoryKey, status: Status, by: Person = 'somebody'): void {
    const { hosts, lagMilliseconds } = this.#options;
    const knownAt = Array.from({ length: hosts }, () => this.#now + lagMilliseconds(status));
    key.changes.push({ status, by, wasUsed: key.isUsed, knownAt });
  }

  /** Whether any host takes the key, now or at any time to come. */
  isEverAccepted({ changes }: InMemoryKey): boolean {
    return Array.from({ length: this.#options.hosts }, (_, host) => host).some((host) => {
      const times = [this.#now, ...changes.map(({ knownAt }) => knownAt[host] ?? 0)].filter((at) => at >= this.#now);
      return times.some((at) => this.#known(changes, host, at) === 'Active');
    });
  }

  #known(changes: readonly Change[], host: number, at = this.#now): Status | undefined {
    return changes.findLast(({ knownAt }) => (knownAt[host] ?? 0) <= at)?.status;
  }

  #make(madeBy: Person, madeAt = this.#told): InMemoryKey {
    const id = `AKIA${String(this.keys.length).padStart(16, '0')}`;
    const key: InMemoryKey = { id, madeAt, madeBy, changes: [], isUsed: false };
    this.keys.push(key);
    this.change(key, 'Active', madeBy);
    return key;
  }

  #answer({ headers, body = '' }: { readonly headers: Record<string, string>; readonly body?: string }) {
    const asked = new URLSearchParams(body);
    const action = asked.get('Action') ?? '';
    this.#options.meanwhile(action);
    const host = this.#options.route();
    const signedBy = /Credential=(\w+)/.exec(headers['authorization'] ?? '')?.[1];
    const [statusCode, text] = this.#act(action, asked, host, signedBy);
    return {
      statusCode,
      headers: { date: new Date(this.#told).toUTCString() },
      body: Buffer.from(statusCode === 200 ? result(action, text) : fault(text)),
    };
  }

  #act(action: string, asked: URLSearchParams, host: number, signedBy: string | undefined): readonly [number, string] {
    const id = action === 'GetCallerIdentity' ? signedBy : asked.get('AccessKeyId');
    const key = this.keys.find((one) => one.id === id);
    const known = key === undefined ? undefined : this.#known(key.changes, host);
    const isThere = key !== undefined && known !== undefined && known !== 'Deleted' && statusOf(key) !== 'Deleted';
    switch (action) {
      case 'GetUser':
        return [200, `<User><UserName>${USER}</UserName><Arn>${ARN}</Arn><UserId>AIDAAPP</UserId></User>`];
      case 'GetCallerIdentity':
        if (key === undefined || known !== 'Active') return [403, 'InvalidClientTokenId'];
        key.isUsed = true;
        return [200, `<Arn>${ARN}</Arn><UserId>AIDAAPP</UserId><Account>000000000000</Account>`];
      case 'GetAccessKeyLastUsed':
        if (key === undefined || statusOf(key) === 'Deleted') return [404, 'NoSuchEntity'];
        return [200, `<AccessKeyLastUsed>${key.isUsed ? lastUse(this.#told) : ''}</AccessKeyLastUsed>`];
      case 'ListAccessKeys':
        return [200, `<AccessKeyMetadata>${this.#listed(host)}</AccessKeyMetadata>`];
      case 'CreateAccessKey':
        return this.#create();
      case 'UpdateAccessKey':
      case 'DeleteAccessKey':
        if (!isThere) return [404, 'NoSuchEntity'];
        this.change(key, action === 'DeleteAccessKey' ? 'Deleted' : (asked.get('Status') as Status), 'rekey');
        return [200, ''];
      default:
        throw new Error(`Nobody should ask for ${action}.`);
    }
  }

  #create(): readonly [number, string] {
    const outcome = this.#options.creation();
    if (outcome === 'throttled') return [400, 'Throttling'];
    if (outcome === 'request lost') throw lostConnection();
    if (this.alive.length >= MOST_KEYS) return [409, 'LimitExceeded'];
    const { id } = this.#make('rekey');
    if (outcome === 'answer lost') throw lostConnection();
    const secret = '<SecretAccessKey>a-secret</SecretAccessKey>';
    return [200, `<AccessKey><AccessKeyId>${id}</AccessKeyId>${secret}</AccessKey>`];
  }

  #listed(host: number): string {
    return this.keys
      .map((key) => ({ ...key, status: this.#known(key.changes, host) }))
      .filter(({ status }) => status === 'Active' || status === 'Inactive')
      .map(
        ({ id, status, madeAt }) =>
          `<member><AccessKeyId>${id}</AccessKeyId><Status>${status}</Status><CreateDate>${iso(madeAt)}</CreateDate></member>`,
      )
      .join('');
  }
}

export function valueOf({ id }: InMemoryKey): SecretText {
  return new SecretText(JSON.stringify({ AccessKeyId: id, SecretAccessKey: 'a-secret' }));
}

export function statusOf({ changes }: InMemoryKey): Status | undefined {
  return changes.at(-1)?.status;
}

function lastUse(at: number): string {
  return `<LastUsedDate>${iso(at)}</LastUsedDate><ServiceName>s3</ServiceName><Region>us-east-1</Region>`;
}

function lostConnection(): Error {
  return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function result(action: string, text: string): string {
  return `<${action}Response><${action}Result>${text}</${action}Result></${action}Response>`;
}

function fault(code: string): string {
  return `<ErrorResponse><Error><Code>${code}</Code><Message>said by AWS</Message></Error></ErrorResponse>`;
}
