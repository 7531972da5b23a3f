import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  DeleteAccessKeyCommand,
  DeleteUserCommand,
  GetAccessKeyLastUsedCommand,
  GetUserCommand,
  IAMClient,
  ListAccessKeysCommand,
  UpdateAccessKeyCommand,
} from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { eventually } from './eventually.ts';
import { uniqueName } from './fixtures.ts';

const client = new IAMClient({ maxAttempts: 1 });

interface Key {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html */
describe('IAM', () => {
  let UserName: string;
  beforeEach(async () => {
    UserName = uniqueName('user');
    await client.send(new CreateUserCommand({ UserName, Path: '/rekey/' }));
  });
  afterEach(async () => {
    for (const AccessKeyId of await listed()) await client.send(new DeleteAccessKeyCommand({ UserName, AccessKeyId }));
    await client.send(new DeleteUserCommand({ UserName }));
  });

  async function create(): Promise<Key> {
    const { AccessKey } = await client.send(new CreateAccessKeyCommand({ UserName }));
    return { accessKeyId: AccessKey?.AccessKeyId ?? '', secretAccessKey: AccessKey?.SecretAccessKey ?? '' };
  }
  async function listed(): Promise<string[]> {
    const { AccessKeyMetadata = [] } = await client.send(new ListAccessKeysCommand({ UserName }));
    return AccessKeyMetadata.map(({ AccessKeyId = '' }) => AccessKeyId);
  }
  /** Its ARN, or the name of the refusal. */
  async function whoIs(credentials: Key): Promise<string | undefined> {
    const sts = new STSClient({ credentials });
    try {
      return (await sts.send(new GetCallerIdentityCommand({}))).Arn;
    } catch (error) {
      return (error as Error).name;
    } finally {
      sts.destroy();
    }
  }
  async function becomes(credentials: Key, expected: string | undefined): Promise<void> {
    await eventually(`${expected} from STS`, async () => (await whoIs(credentials)) === expected || undefined, 20_000);
  }
  const setStatus = async ({ accessKeyId: AccessKeyId }: Key, Status: 'Active' | 'Inactive') =>
    await client.send(new UpdateAccessKeyCommand({ UserName, AccessKeyId, Status }));
  const remove = async (AccessKeyId: string, of = UserName) =>
    await client.send(new DeleteAccessKeyCommand({ UserName: of, AccessKeyId }));

  describe('access keys', () => {
    test('are two at most, inactive ones included', async () => {
      const first = await create();
      await create();
      const refused = { name: 'LimitExceededException', $metadata: { httpStatusCode: 409 } };
      await expect(create()).rejects.toMatchObject(refused);
      await setStatus(first, 'Inactive');
      await expect(create()).rejects.toMatchObject(refused);
      await remove(first.accessKeyId);
      await create();
      expect(await listed()).toHaveLength(2);
    });

    test('are listed with status and creation date, page by page', async () => {
      const [first, second] = [await create(), await create()];
      await setStatus(second, 'Inactive');
      const one = await client.send(new ListAccessKeysCommand({ UserName, MaxItems: 1 }));
      expect(one).toMatchObject({ IsTruncated: true, Marker: expect.any(String) });
      const other = await client.send(new ListAccessKeysCommand({ UserName, MaxItems: 1, Marker: one.Marker }));
      expect(other.IsTruncated).toBe(false);
      const keys = [one, other].flatMap(({ AccessKeyMetadata = [] }) => AccessKeyMetadata);
      expect(new Map(keys.map(({ AccessKeyId, Status }) => [AccessKeyId, Status]))).toEqual(
        new Map([
          [first.accessKeyId, 'Active'],
          [second.accessKeyId, 'Inactive'],
        ]),
      );
      for (const { CreateDate } of keys) expect(Math.abs(Date.now() - Number(CreateDate))).toBeLessThan(60_000);
    });

    test('of a user that is not there are NoSuchEntity', async () => {
      const nobody = uniqueName('nobody');
      const missing = { name: 'NoSuchEntityException', $metadata: { httpStatusCode: 404 } };
      await expect(client.send(new ListAccessKeysCommand({ UserName: nobody }))).rejects.toMatchObject(missing);
      await expect(client.send(new CreateAccessKeyCommand({ UserName: nobody }))).rejects.toMatchObject(missing);
      await expect(client.send(new GetUserCommand({ UserName: nobody }))).rejects.toMatchObject(missing);
    });

    test('are changed and deleted under the name of their own user only', async () => {
      const { accessKeyId: AccessKeyId } = await create();
      const other = uniqueName('other');
      await client.send(new CreateUserCommand({ UserName: other }));
      try {
        const missing = { name: 'NoSuchEntityException' };
        await expect(remove(AccessKeyId, other)).rejects.toMatchObject(missing);
        const change = new UpdateAccessKeyCommand({ UserName: other, AccessKeyId, Status: 'Inactive' });
        await expect(client.send(change)).rejects.toMatchObject(missing);
        expect(await listed()).toEqual([AccessKeyId]);
        await remove(AccessKeyId);
        await expect(remove(AccessKeyId)).rejects.toMatchObject(missing);
      } finally {
        await client.send(new DeleteUserCommand({ UserName: other }));
      }
    });
  });

  /** https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html and CommonErrors.html */
  describe('GetCallerIdentity', () => {
    test("answers the user's ARN, path included", async () => {
      const { User } = await client.send(new GetUserCommand({ UserName }));
      expect(User?.Arn).toMatch(new RegExp(`^arn:aws:iam::\\d{12}:user/rekey/${UserName}$`));
      await becomes(await create(), User?.Arn);
    });

    test('refuses an inactive key, until it is active again, and a deleted one', async () => {
      const key = await create();
      const arn = (await client.send(new GetUserCommand({ UserName }))).User?.Arn;
      await becomes(key, arn);
      await setStatus(key, 'Inactive');
      await becomes(key, 'InvalidClientTokenId');
      await setStatus(key, 'Active');
      await becomes(key, arn);
      await remove(key.accessKeyId);
      await becomes(key, 'InvalidClientTokenId');
    });

    test('refuses a key that never was, and a wrong secret', async () => {
      const key = await create();
      const arn = (await client.send(new GetUserCommand({ UserName }))).User?.Arn;
      expect(await whoIs({ ...key, accessKeyId: 'AKIAIOSFODNN7EXAMPLE' })).toBe('InvalidClientTokenId');
      await becomes(key, arn);
      expect(await whoIs({ ...key, secretAccessKey: `${key.secretAccessKey}x` })).toBe('SignatureDoesNotMatch');
      expect(await whoIs(key)).toBe(arn);
    });
  });

  test('refuses an administrator by the same names', async () => {
    const key = await create();
    const own = new IAMClient({ credentials: { ...key, secretAccessKey: 'wrong' }, maxAttempts: 1 });
    const asked = async () => await own.send(new ListAccessKeysCommand({ UserName }));
    await eventually(
      'SignatureDoesNotMatch from IAM',
      async () => (await asked().catch((error: Error) => error.name)) === 'SignatureDoesNotMatch' || undefined,
      20_000,
    );
    await remove(key.accessKeyId);
    await eventually(
      'InvalidClientTokenId from IAM',
      async () => (await asked().catch((error: Error) => error.name)) === 'InvalidClientTokenId' || undefined,
      20_000,
    );
  });

  /** https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyLastUsed.html */
  test('knows no last use of a key that was never used, and where it was used once it was', async () => {
    const key = await create();
    const lastUsed = async () => await client.send(new GetAccessKeyLastUsedCommand({ AccessKeyId: key.accessKeyId }));
    expect(await lastUsed()).toMatchObject({ UserName, AccessKeyLastUsed: { ServiceName: 'N/A', Region: 'N/A' } });
    expect((await lastUsed()).AccessKeyLastUsed?.LastUsedDate).toBeUndefined();
    await becomes(key, (await client.send(new GetUserCommand({ UserName }))).User?.Arn);
    // AWS itself may take longer.
    const use = await eventually(
      'a last use',
      async () => {
        const { AccessKeyLastUsed } = await lastUsed();
        return AccessKeyLastUsed?.LastUsedDate === undefined ? undefined : AccessKeyLastUsed;
      },
      20_000,
    );
    expect(use).toMatchObject({ ServiceName: 'sts', Region: process.env['AWS_REGION'] });
  });
});
