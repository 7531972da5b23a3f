import {
  CreateAccessKeyCommand,
  DeleteAccessKeyCommand,
  GetAccessKeyLastUsedCommand,
  GetUserCommand,
  type IAMClient,
  LimitExceededException,
  ListAccessKeysCommand,
  NoSuchEntityException,
  UpdateAccessKeyCommand,
} from '@aws-sdk/client-iam';
import type { Clock } from '../../clock.ts';
import { Misconfigured, TransientFailure } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import type { RotatorSettings } from '../rotator.ts';
import { type AccessKey, parseAccessKey } from './access-key-json.ts';
import { type AwsClients, ONCE, REPEATABLE } from './aws-clients.ts';
import { adminFailure, isDenied, mayHaveArrived } from './aws-failures.ts';
import { AwsTime } from './aws-time.ts';
import type { Caller } from './caller.ts';
import { declaredUser } from './declared-user.ts';

/** One of a user's keys, as IAM lists it. */
export interface UserKey {
  readonly id: string;
  readonly status: string;
  readonly createdAt: Date | undefined;
}

/** When a key was last used: `never`, or `unknown` where IAM does not say. IAM may learn of a use late. */
export type LastUse = { readonly at: Date; readonly service: string; readonly region: string } | 'never' | 'unknown';

interface Administration {
  readonly settings: RotatorSettings;
  readonly admin: SecretText | undefined;
  readonly aws: AwsClients;
  readonly clock: Clock;
}

/** Does `work` with the declared user's keys, as the administrator: its secret's key, or else Rekey's own role. */
export async function withUserKeys<Result>(
  { settings, admin, aws, clock }: Administration,
  work: (keys: UserKeys) => Promise<Result>,
): Promise<Result> {
  const key = admin === undefined ? undefined : parseAccessKey(admin, 'administrator');
  const own = key === undefined ? {} : { credentials: { accessKeyId: key.id, secretAccessKey: key.secret.reveal() } };
  const clients = [aws.iam({ ...REPEATABLE, ...own }), aws.iam({ ...ONCE, ...own })] as const;
  try {
    return await work(new UserKeys(declaredUser(settings), clients, clock));
  } finally {
    for (const client of clients) client.destroy();
  }
}

/** The access keys of one IAM user. Faults are `RekeyError`s. */
export class UserKeys {
  readonly user: string;
  /** As the lists have told it. */
  readonly time: AwsTime;
  readonly #repeating: IAMClient;
  readonly #once: IAMClient;

  constructor(user: string, [repeating, once]: readonly [IAMClient, IAMClient], clock: Clock) {
    this.user = user;
    this.time = new AwsTime(clock);
    this.#repeating = repeating;
    this.#once = once;
  }

  /** Whom AWS should take the holder of one of the keys for. */
  async owner(): Promise<Caller> {
    const { User } = await this.#call('iam:GetUser', () =>
      this.#repeating.send(new GetUserCommand({ UserName: this.user })),
    );
    const { Arn: arn, UserId: userId } = User ?? {};
    if (arn === undefined || userId === undefined) throw new TransientFailure('IAM did not say who the user is.');
    return { arn, userId };
  }

  async list(): Promise<readonly UserKey[]> {
    const keys: UserKey[] = [];
    let Marker: string | undefined;
    do {
      const command = new ListAccessKeysCommand({ UserName: this.user, ...(Marker === undefined ? {} : { Marker }) });
      command.middlewareStack.add(
        (next) => async (request) => {
          const answer = await next(request);
          this.time.note(answer.response);
          return answer;
        },
        { step: 'initialize', priority: 'high' },
      );
      const page = await this.#call('iam:ListAccessKeys', () => this.#repeating.send(command));
      for (const {
        AccessKeyId: id,
        Status: status = 'of unknown status',
        CreateDate: createdAt,
      } of page.AccessKeyMetadata ?? []) {
        if (id !== undefined) keys.push({ id, status, createdAt });
      }
      Marker = page.IsTruncated === true ? page.Marker : undefined;
    } while (Marker !== undefined);
    return keys;
  }

  async lastUse(id: string): Promise<LastUse> {
    try {
      const command = new GetAccessKeyLastUsedCommand({ AccessKeyId: id });
      const { AccessKeyLastUsed } = await this.#repeating.send(command);
      if (AccessKeyLastUsed === undefined) return 'unknown';
      const { LastUsedDate: at, ServiceName, Region } = AccessKeyLastUsed;
      return at === undefined ? 'never' : { at, service: nameIn(ServiceName), region: nameIn(Region) };
    } catch (error) {
      // A key that is not there (any more) may be answered by a denial, whatever the permissions are.
      if (error instanceof NoSuchEntityException || isDenied(error)) return 'unknown';
      throw adminFailure(error, { action: 'iam:GetAccessKeyLastUsed', user: this.user });
    }
  }

  /**
   * `full`: the user has as many keys as it may, and nothing was made. Only after a `TransientFailure` one may have been:
   * any other means that AWS has refused the request, or that it was never sent.
   */
  async create(): Promise<AccessKey | 'full'> {
    const made = await this.#call('iam:CreateAccessKey', () =>
      this.#once.send(new CreateAccessKeyCommand({ UserName: this.user })).catch((error: unknown) => {
        if (error instanceof LimitExceededException) return 'full' as const;
        throw mayHaveArrived(error)
          ? new TransientFailure('The connection to IAM was lost when it was asked for a key.', { cause: error })
          : error;
      }),
    );
    if (made === 'full') return made;
    const { AccessKeyId: id, SecretAccessKey: secret } = made.AccessKey ?? {};
    if (id === undefined || secret === undefined) throw new TransientFailure('IAM made a key and did not tell it.');
    return { id, secret: new SecretText(secret) };
  }

  /** Nobody can use it any more, within seconds; it can be turned on again. Twice is harmless. */
  disable(id: string): Promise<'done' | 'gone'> {
    return this.#setStatus(id, 'Inactive');
  }

  /** Twice is harmless. */
  enable(id: string): Promise<'done' | 'gone'> {
    return this.#setStatus(id, 'Active');
  }

  #setStatus(id: string, status: 'Active' | 'Inactive'): Promise<'done' | 'gone'> {
    const command = new UpdateAccessKeyCommand({ UserName: this.user, AccessKeyId: id, Status: status });
    return this.#change('iam:UpdateAccessKey', () => this.#repeating.send(command));
  }

  /** Twice is harmless. */
  remove(id: string): Promise<'done' | 'gone'> {
    const command = new DeleteAccessKeyCommand({ UserName: this.user, AccessKeyId: id });
    return this.#change('iam:DeleteAccessKey', () => this.#repeating.send(command));
  }

  /** `gone`: the user has no such key; another one's is not touched. */
  #change(action: string, send: () => Promise<unknown>): Promise<'done' | 'gone'> {
    return this.#call(action, () =>
      send().then(
        () => 'done' as const,
        (error: unknown) => {
          if (error instanceof NoSuchEntityException) return 'gone' as const;
          throw error;
        },
      ),
    );
  }

  async #call<Result>(action: string, send: () => Promise<Result>): Promise<Result> {
    try {
      return await send();
    } catch (error) {
      if (error instanceof NoSuchEntityException) {
        throw new Misconfigured(`There is no IAM user "${this.user}" in the administrator's account.`, {
          cause: error,
        });
      }
      throw adminFailure(error, { action, user: this.user });
    }
  }
}

/** For people who are to find out whose it is. */
export function describeKey({ id, status, createdAt }: UserKey, use: LastUse): string {
  const created = createdAt === undefined ? 'creation date unknown' : `created ${createdAt.toISOString()}`;
  return `${id} (${status}, ${created}, ${describeUse(use)})`;
}

function describeUse(use: LastUse): string {
  if (use === 'never') return 'never used';
  if (use === 'unknown') return 'last use unknown';
  return `last used ${use.at.toISOString()} by ${use.service} in ${use.region}`;
}

function nameIn(text: string | undefined): string {
  return text !== undefined && /^[\w.-]{1,64}$/.test(text) ? text : 'unknown';
}
