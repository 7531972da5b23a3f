import {
  type AccessKey,
  CreateAccessKeyCommand,
  CreateUserCommand,
  DeleteAccessKeyCommand,
  IAMClient,
  ListAccessKeysCommand,
  UpdateAccessKeyCommand,
} from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { type LocalCloud, startLocalCloud } from '../../infra/local/local-cloud.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { SecretText } from '../../shared/redact.ts';
import type { AwsClients } from '../../shared/rotators/iam/aws-clients.ts';
import { iamRotator } from '../../shared/rotators/iam/iam-rotator.ts';
import type { IssuedRotator } from '../../shared/rotators/rotator.ts';
import type { Accounted, Adopted, TargetHarness } from './target-harness.ts';

/** One request of a rotator, before it is sent. */
export interface Call {
  readonly action: string;
  /** The key that signs it; `undefined`: the administrator's own. */
  readonly signedBy: string | undefined;
  readonly input: object;
}
type Around = (call: Call, send: () => Promise<object>) => Promise<object>;

/** IAM and STS of a local cloud, where every test has users of its own. */
export class IamHarness implements TargetHarness {
  readonly type = 'iam';
  readonly cloud: LocalCloud;
  /** As the account's root. */
  readonly iam: IAMClient;
  /** What the rotators have asked of AWS, by action. */
  readonly calls: Call[] = [];
  /** Put around each request of a rotator: how AWS is late, or does not answer. */
  around: Around = (_, send) => send();
  /** What time IAM says it is, in place of the rotator's. */
  date: (() => string | undefined) | undefined;
  /** When keys were made, by the clocks of the rotators that made them; IAM's answers say the time by them, too. */
  readonly #created = new Map<string, Date>();

  private constructor(cloud: LocalCloud) {
    this.cloud = cloud;
    this.iam = new IAMClient(this.#local);
  }

  static async start(): Promise<IamHarness> {
    return new IamHarness(await startLocalCloud());
  }

  get #local() {
    const { endpoint, environment } = this.cloud;
    const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = environment;
    return { endpoint, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey } };
  }

  async stop(): Promise<void> {
    this.iam.destroy();
    await this.cloud.stop();
  }

  /**
   * IAM's clock is the rotator's, which may be one that a test moves. With the machine's own clock nothing is waited for:
   * what the rotator waits for is how IAM's changes spread, and here every host is one.
   */
  rotator(clock: Clock): IssuedRotator {
    const unwaiting = clock === systemClock ? { ...clock, sleep: async () => undefined } : clock;
    return iamRotator({ clock: unwaiting, aws: this.clients(clock) });
  }

  clients(clock: Clock): AwsClients {
    const wrap = async (call: Call, send: () => Promise<object>): Promise<object> => {
      this.calls.push(call);
      return await this.around(call, async () => this.#dated(await send(), clock));
    };
    const date = () => (this.date === undefined ? clock.now().toUTCString() : this.date());
    return {
      iam: (config) => wrapped(new IAMClient({ ...this.#local, ...config }), config.credentials, wrap, date),
      sts: (config) => wrapped(new STSClient({ ...this.#local, ...config }), config.credentials, wrap, date),
    };
  }

  #dated(
    output: { AccessKey?: AccessKey; AccessKeyMetadata?: { AccessKeyId?: string; CreateDate?: Date }[] },
    clock: Clock,
  ) {
    const { AccessKey, AccessKeyMetadata = [] } = output;
    // IAM tells whole seconds.
    const now = new Date(Math.floor(clock.now().getTime() / 1000) * 1000);
    if (AccessKey?.AccessKeyId !== undefined) this.#created.set(AccessKey.AccessKeyId, now);
    for (const key of AccessKeyMetadata) {
      const created = this.#created.get(key.AccessKeyId ?? '');
      if (created !== undefined) key.CreateDate = created;
    }
    return output;
  }

  async adopt(name: string): Promise<Adopted> {
    const user = `app-${name.replaceAll(/[^\w-]/g, '-')}`.slice(0, 64);
    await this.iam.send(new CreateUserCommand({ UserName: user, Path: '/applications/' }));
    const incumbent = await this.makeKey(user);
    return { name, declared: { provider: { user } }, incumbent, admin: undefined };
  }

  /** A key made by hand, as a secret's value. */
  async makeKey(user: string): Promise<SecretText> {
    const { AccessKey: key } = await this.iam.send(new CreateAccessKeyCommand({ UserName: user }));
    return new SecretText(JSON.stringify({ AccessKeyId: key?.AccessKeyId, SecretAccessKey: key?.SecretAccessKey }));
  }

  async setStatus(user: string, AccessKeyId: string, Status: 'Active' | 'Inactive'): Promise<void> {
    await this.iam.send(new UpdateAccessKeyCommand({ UserName: user, AccessKeyId, Status }));
  }

  async deleteKey(user: string, AccessKeyId: string): Promise<void> {
    await this.iam.send(new DeleteAccessKeyCommand({ UserName: user, AccessKeyId }));
  }

  /** Ids of a user's keys with their status. */
  async keysOf(user: string): Promise<ReadonlyMap<string, string>> {
    const { AccessKeyMetadata = [] } = await this.iam.send(new ListAccessKeysCommand({ UserName: user }));
    return new Map(AccessKeyMetadata.map(({ AccessKeyId = '', Status = '' }) => [AccessKeyId, Status]));
  }

  async state(adopted: Adopted): Promise<string> {
    return [...(await this.keysOf(userOf(adopted)))]
      .map(([id, status]) => `${id} ${status}`)
      .sort()
      .join();
  }

  async unaccounted(adopted: Adopted, accounted: readonly Accounted[]): Promise<readonly string[]> {
    const keys = await this.keysOf(userOf(adopted));
    const explained = new Set(accounted.flatMap(({ identity, value }) => [identity, ...(value ? [idOf(value)] : [])]));
    return [...keys].flatMap(([id, status]) => (status === 'Active' && !explained.has(id) ? [id] : []));
  }

  async use(value: SecretText): Promise<void> {
    await this.whoIs(value);
  }

  /** The ARN of the user that a value is a key of. */
  async whoIs(value: SecretText): Promise<string | undefined> {
    const { AccessKeyId, SecretAccessKey } = JSON.parse(value.reveal()) as Record<string, string>;
    const credentials = { accessKeyId: AccessKeyId ?? '', secretAccessKey: SecretAccessKey ?? '' };
    const sts = new STSClient({ ...this.#local, credentials });
    try {
      return (await sts.send(new GetCallerIdentityCommand({}))).Arn;
    } finally {
      sts.destroy();
    }
  }

  readonly obstruct = async (adopted: Adopted): Promise<{ readonly isUntouched: () => Promise<boolean> }> => {
    const user = userOf(adopted);
    const id = idOf(await this.makeKey(user));
    return { isUntouched: async () => (await this.keysOf(user)).get(id) === 'Active' };
  };
}

export const openIam = (): Promise<TargetHarness> => IamHarness.start();

export function userOf({ declared }: Adopted): string {
  return declared.provider?.user ?? '';
}

export function idOf(value: SecretText): string {
  return (JSON.parse(value.reveal()) as { readonly AccessKeyId: string }).AccessKeyId;
}

/** What AWS answers of a key that it does not know, or not yet, or not any more. */
export function refusal(name = 'InvalidClientTokenId', message = 'refused'): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode: 403 } });
}

function wrapped<Client extends IAMClient | STSClient>(
  client: Client,
  credentials: unknown,
  wrap: (call: Call, send: () => Promise<object>) => Promise<object>,
  date: () => string | undefined,
): Client {
  const signedBy = (credentials as { readonly accessKeyId?: string } | undefined)?.accessKeyId;
  (client as IAMClient).middlewareStack.add(
    (next, { commandName = '' }) =>
      async (request) => {
        const call = { action: commandName.replace(/Command$/, ''), signedBy, input: request.input };
        let answer: Awaited<ReturnType<typeof next>> | undefined;
        const output = await wrap(call, async () => {
          answer = await next(request);
          return answer.output;
        });
        Object.assign((answer?.response as { headers?: object } | undefined)?.headers ?? {}, { date: date() });
        return { response: answer?.response, output: output as never };
      },
    { step: 'initialize' },
  );
  return client;
}
