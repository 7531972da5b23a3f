import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { describe, expect, it } from 'vitest';
import { eventually } from './eventually.ts';

const secrets = new SecretsManagerClient({});

describe('RotateSecret', () => {
  it('needs a function, and makes the version before it calls it: pending, without a value', async () => {
    const Name = `rotated-${crypto.randomUUID()}`;
    await secrets.send(new CreateSecretCommand({ Name, SecretString: 'one' }));
    await expect(secrets.send(new RotateSecretCommand({ SecretId: Name }))).rejects.toMatchObject({
      name: 'InvalidRequestException',
    });
    const token = crypto.randomUUID();
    await secrets.send(
      new RotateSecretCommand({
        SecretId: Name,
        ClientRequestToken: token,
        RotationLambdaARN: 'arn:aws:lambda:us-east-1:000000000000:function:nobody',
      }),
    );
    const described = await secrets.send(new DescribeSecretCommand({ SecretId: Name }));
    expect(described.RotationEnabled).toBe(true);
    expect(described.VersionIdsToStages?.[token]).toEqual(['AWSPENDING']);
    await expect(secrets.send(new GetSecretValueCommand({ SecretId: Name, VersionId: token }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
    await secrets.send(
      new PutSecretValueCommand({
        SecretId: Name,
        ClientRequestToken: token,
        SecretString: 'two',
        VersionStages: ['AWSPENDING'],
      }),
    );
    const pending = await secrets.send(new GetSecretValueCommand({ SecretId: Name, VersionId: token }));
    expect(pending.SecretString).toBe('two');
    const current = await secrets.send(new GetSecretValueCommand({ SecretId: Name }));
    expect(current.SecretString).toBe('one');
  });

  it('tries the configuration alone when it is not to rotate at once: what it makes is gone afterwards', async () => {
    const Name = `rotated-${crypto.randomUUID()}`;
    const { VersionId: current = '' } = await secrets.send(new CreateSecretCommand({ Name, SecretString: 'one' }));
    const { VersionId: token = '' } = await secrets.send(
      new RotateSecretCommand({
        SecretId: Name,
        RotationLambdaARN: 'arn:aws:lambda:us-east-1:000000000000:function:nobody',
        RotateImmediately: false,
      }),
    );
    const described = await eventually('the end of the try', async () => {
      const answer = await secrets.send(new DescribeSecretCommand({ SecretId: Name }));
      return answer.VersionIdsToStages?.[token] === undefined ? answer : undefined;
    });
    expect(described).toMatchObject({ RotationEnabled: true, VersionIdsToStages: { [current]: ['AWSCURRENT'] } });
    expect(described.LastRotatedDate).toBeUndefined();
  });

  it('refuses another rotation while one is pending', async () => {
    const Name = `rotated-${crypto.randomUUID()}`;
    await secrets.send(new CreateSecretCommand({ Name, SecretString: 'one' }));
    const RotationLambdaARN = 'arn:aws:lambda:us-east-1:000000000000:function:nobody';
    await secrets.send(new RotateSecretCommand({ SecretId: Name, RotationLambdaARN }));
    await expect(secrets.send(new RotateSecretCommand({ SecretId: Name, RotationLambdaARN }))).rejects.toMatchObject({
      name: 'InvalidRequestException',
    });
  });
});
