import { CreateAccessKeyCommand, CreateUserCommand, IAMClient } from '@aws-sdk/client-iam';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRedis } from '../rotators/redis-harness.ts';
import type { TargetHarness } from '../rotators/target-harness.ts';
import { SecretText } from '../../shared/redact.ts';
import { eventually } from '../harness/deployed/eventually.ts';
import { OTHER_TYPES } from '../harness/deployed/examples.ts';
import { recordOf, rotate } from '../harness/deployed/rotations.ts';
import { currentValue, currentVersion, putCurrent, versionsOf } from '../harness/deployed/secrets.ts';

const secrets = new SecretsManagerClient({});

/** Waits until what a rotation replaced is retired: its target has refused it. */
async function retired(secretId: string, versionId: string): Promise<void> {
  await eventually(`the retirement of ${versionId}`, async () => {
    const { ledger } = await recordOf(secretId);
    return ledger.some((entry) => entry.versionId === versionId && entry.state === 'retired') ? true : undefined;
  });
}

describe('secrets of other types, by the deployed functions', () => {
  it('a generated value, by its policy', async () => {
    const { secret } = OTHER_TYPES.generated;
    expect(await rotate(secret)).toMatchObject({ status: 'succeeded' });
    const versionId = await currentVersion(secret);
    const text = (await versionsOf(secret)).find((version) => version.versionId === versionId)?.text ?? '';
    const shape = [text.length, /[A-Z]/.test(text), /\d/.test(text), /[^A-Za-z0-9]/.test(text)];
    expect(shape).toEqual([40, true, true, true]);
    expect(await rotate(secret)).toMatchObject({ status: 'succeeded' });
    await retired(secret, versionId);
  });

  describe('a Redis user', () => {
    let harness: TargetHarness;
    beforeAll(async () => {
      harness = await openRedis();
    });
    afterAll(() => harness.stop());

    it('rotates, and the replaced password is refused', async () => {
      const { secret, fields } = OTHER_TYPES.cache;
      const adopted = await harness.adopt('cache');
      await secrets.send(
        new CreateSecretCommand({
          Name: String(fields['admin_secret' as keyof typeof fields]),
          SecretString: adopted.admin?.reveal() ?? '',
        }),
      );
      await putCurrent(secret, JSON.parse(adopted.incumbent.reveal()) as object);
      const before = await currentVersion(secret);
      expect(await rotate(secret)).toMatchObject({ status: 'succeeded' });
      await harness.use(new SecretText(JSON.stringify(await currentValue(secret))));
      await retired(secret, before);
      await expect(harness.use(adopted.incumbent)).rejects.toThrow();
    });
  });

  it("an IAM user's access key: issued, tested, and the replaced one deleted", async () => {
    const { secret, fields } = OTHER_TYPES.deployer;
    const UserName = (fields as unknown as { provider: { user: string } }).provider.user;
    const iam = new IAMClient({});
    await iam.send(new CreateUserCommand({ UserName }));
    const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
    const { AccessKeyId, SecretAccessKey } = AccessKey ?? {};
    await putCurrent(secret, { AccessKeyId, SecretAccessKey });
    const before = await currentVersion(secret);
    expect(await rotate(secret)).toMatchObject({ status: 'succeeded' });
    const current = (await currentValue(secret)) as unknown as { AccessKeyId: string; SecretAccessKey: string };
    expect(current.AccessKeyId).not.toBe(AccessKeyId);
    const as = (key: { AccessKeyId: string; SecretAccessKey: string }) =>
      new STSClient({ credentials: { accessKeyId: key.AccessKeyId, secretAccessKey: key.SecretAccessKey } }).send(
        new GetCallerIdentityCommand({}),
      );
    expect((await as(current)).Arn).toContain(`user/${UserName}`);
    await retired(secret, before);
    await expect(as({ AccessKeyId: AccessKeyId ?? '', SecretAccessKey: SecretAccessKey ?? '' })).rejects.toMatchObject({
      name: 'InvalidClientTokenId',
    });
  });
});
