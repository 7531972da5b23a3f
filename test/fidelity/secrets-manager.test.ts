import { randomUUID } from 'node:crypto';

import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { uniqueName } from './fixtures.ts';

const client = new SecretsManagerClient();

/** https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html and API_UpdateSecretVersionStage.html */
describe('Secrets Manager', () => {
  let SecretId: string;
  let first: string;
  beforeEach(async () => {
    SecretId = uniqueName('secret');
    first = randomUUID();
    await client.send(new CreateSecretCommand({ Name: SecretId, SecretString: 'one', ClientRequestToken: first }));
  });
  afterEach(async () => {
    await client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
  });

  async function put(SecretString: string, ClientRequestToken: string, VersionStages?: string[]) {
    return await client.send(
      new PutSecretValueCommand({
        SecretId,
        SecretString,
        ClientRequestToken,
        ...(VersionStages && { VersionStages }),
      }),
    );
  }
  async function move(more: { VersionStage: string; MoveToVersionId?: string; RemoveFromVersionId?: string }) {
    return await client.send(new UpdateSecretVersionStageCommand({ SecretId, ...more }));
  }
  async function stages(): Promise<Record<string, string[]>> {
    const { VersionIdsToStages = {} } = await client.send(new DescribeSecretCommand({ SecretId }));
    return Object.fromEntries(Object.entries(VersionIdsToStages).map(([id, labels]) => [id, labels.sort()]));
  }
  async function read(more: { VersionId?: string; VersionStage?: string } = {}) {
    return await client.send(new GetSecretValueCommand({ SecretId, ...more }));
  }

  describe('CreateSecret', () => {
    test('makes the token the version id', async () => {
      expect(await stages()).toEqual({ [first]: ['AWSCURRENT'] });
    });

    test('may be repeated with the same token and value, and with no other', async () => {
      const again = await client.send(
        new CreateSecretCommand({ Name: SecretId, SecretString: 'one', ClientRequestToken: first }),
      );
      expect(again.VersionId).toBe(first);
      const other = new CreateSecretCommand({ Name: SecretId, SecretString: 'two', ClientRequestToken: first });
      await expect(client.send(other)).rejects.toMatchObject({ name: 'ResourceExistsException' });
      const otherToken = new CreateSecretCommand({
        Name: SecretId,
        SecretString: 'one',
        ClientRequestToken: randomUUID(),
      });
      await expect(client.send(otherToken)).rejects.toMatchObject({ name: 'ResourceExistsException' });
    });

    test('makes no version without a value', async () => {
      const Name = uniqueName('empty');
      const created = await client.send(new CreateSecretCommand({ Name }));
      expect(created.VersionId).toBeUndefined();
      const { VersionIdsToStages = {} } = await client.send(new DescribeSecretCommand({ SecretId: Name }));
      expect(VersionIdsToStages).toEqual({});
      await expect(client.send(new GetSecretValueCommand({ SecretId: Name }))).rejects.toMatchObject({
        name: 'ResourceNotFoundException',
      });
      const pending = randomUUID();
      await client.send(
        new PutSecretValueCommand({
          SecretId: Name,
          SecretString: 'x',
          ClientRequestToken: pending,
          VersionStages: ['AWSPENDING'],
        }),
      );
      const { VersionStages = [] } = await client.send(new GetSecretValueCommand({ SecretId: Name }));
      expect(VersionStages.sort(), 'the first version is always current').toEqual(['AWSCURRENT', 'AWSPENDING']);
      await client.send(new DeleteSecretCommand({ SecretId: Name, ForceDeleteWithoutRecovery: true }));
    });
  });

  describe('PutSecretValue', () => {
    test('moves AWSCURRENT, and AWSPREVIOUS after it, when no stage is named', async () => {
      const second = randomUUID();
      await put('two', second);
      expect(await stages()).toEqual({ [first]: ['AWSPREVIOUS'], [second]: ['AWSCURRENT'] });
    });

    test('with the same token and value changes nothing; with another value it is refused', async () => {
      const second = randomUUID();
      await put('two', second, ['AWSPENDING']);
      expect((await put('two', second, ['AWSPENDING'])).VersionId).toBe(second);
      await expect(put('other', second, ['AWSPENDING'])).rejects.toMatchObject({ name: 'ResourceExistsException' });
      expect((await read({ VersionId: second })).SecretString).toBe('two');
    });

    test('lets one of many concurrent values win', async () => {
      const token = randomUUID();
      const answers = await Promise.allSettled(
        Array.from({ length: 12 }, async (_, n) => await put(`value-${n}`, token, ['AWSPENDING'])),
      );
      expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const answer of answers) {
        if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ name: 'ResourceExistsException' });
      }
    });

    test('moves AWSPENDING to the newest version that asks for it', async () => {
      const [second, third] = [randomUUID(), randomUUID()];
      await put('two', second, ['AWSPENDING']);
      await put('three', third, ['AWSPENDING']);
      expect(await stages()).toEqual({ [first]: ['AWSCURRENT'], [third]: ['AWSPENDING'] });
      expect((await read({ VersionStage: 'AWSPENDING' })).SecretString).toBe('three');
      expect((await read({ VersionId: second })).SecretString).toBe('two');
      expect((await read()).SecretString).toBe('one');
    });

    test('refuses a secret that does not exist', async () => {
      const missing = new PutSecretValueCommand({ SecretId: uniqueName('missing'), SecretString: 'x' });
      await expect(client.send(missing)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    });
  });

  describe('GetSecretValue', () => {
    test('answers by stage, by version, and by both only when they agree', async () => {
      const second = randomUUID();
      await put('two', second, ['AWSPENDING']);
      expect(await read({ VersionId: second, VersionStage: 'AWSPENDING' })).toMatchObject({
        SecretString: 'two',
        VersionId: second,
        VersionStages: ['AWSPENDING'],
      });
      await expect(read({ VersionId: second, VersionStage: 'AWSCURRENT' })).rejects.toThrow();
    });

    test('does not find a stage or a version that is not there', async () => {
      await expect(read({ VersionStage: 'AWSPENDING' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
      await expect(read({ VersionId: randomUUID() })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    });

    test('refuses a secret marked for deletion until it is restored', async () => {
      await client.send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }));
      await expect(read()).rejects.toMatchObject({ name: 'InvalidRequestException' });
      await expect(put('x', randomUUID())).rejects.toMatchObject({ name: 'InvalidRequestException' });
      await client.send(new RestoreSecretCommand({ SecretId }));
      expect((await read()).SecretString).toBe('one');
    });
  });

  describe('UpdateSecretVersionStage', () => {
    let second: string;
    beforeEach(async () => {
      second = randomUUID();
      await put('two', second, ['AWSPENDING']);
    });

    test('moves AWSCURRENT from the version that holds it, and AWSPREVIOUS by itself', async () => {
      await move({ VersionStage: 'AWSCURRENT', MoveToVersionId: second, RemoveFromVersionId: first });
      expect(await stages()).toEqual({ [first]: ['AWSPREVIOUS'], [second]: ['AWSCURRENT', 'AWSPENDING'] });
      expect((await read()).SecretString).toBe('two');
      expect((await read({ VersionStage: 'AWSPREVIOUS' })).SecretString).toBe('one');
    });

    test('moves no label away from a version that is not named, or that does not hold it', async () => {
      const third = randomUUID();
      await put('three', third, ['other']);
      for (const RemoveFromVersionId of [undefined, second, third]) {
        const attempt = move({
          VersionStage: 'AWSCURRENT',
          MoveToVersionId: second,
          ...(RemoveFromVersionId && { RemoveFromVersionId }),
        });
        await expect(attempt).rejects.toMatchObject({ name: 'InvalidParameterException' });
      }
      expect((await read()).SecretString).toBe('one');
    });

    test('lets one of many concurrent moves win', async () => {
      const others = Array.from({ length: 8 }, () => randomUUID());
      for (const id of others) await put(id, id, [`label-${id}`]);
      const answers = await Promise.allSettled(
        others.map(
          async (MoveToVersionId) =>
            await move({ VersionStage: 'AWSCURRENT', MoveToVersionId, RemoveFromVersionId: first }),
        ),
      );
      expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    test('moves AWSCURRENT back', async () => {
      await move({ VersionStage: 'AWSCURRENT', MoveToVersionId: second, RemoveFromVersionId: first });
      await move({ VersionStage: 'AWSCURRENT', MoveToVersionId: first, RemoveFromVersionId: second });
      expect(await stages()).toMatchObject({ [first]: ['AWSCURRENT'], [second]: ['AWSPENDING', 'AWSPREVIOUS'] });
    });

    test('does not remove AWSCURRENT', async () => {
      await expect(move({ VersionStage: 'AWSCURRENT', RemoveFromVersionId: first })).rejects.toMatchObject({
        name: 'InvalidParameterException',
      });
    });

    test('removes another label from the version that holds it only', async () => {
      await expect(move({ VersionStage: 'AWSPENDING', RemoveFromVersionId: first })).rejects.toMatchObject({
        name: 'InvalidParameterException',
      });
      await move({ VersionStage: 'AWSPENDING', RemoveFromVersionId: second });
      expect((await stages())[second] ?? []).toEqual([]);
      const { Versions = [] } = await client.send(
        new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated: true }),
      );
      expect(Versions.map(({ VersionId }) => VersionId)).toContain(second);
    });

    test('refuses a version that does not exist', async () => {
      const attempt = move({ VersionStage: 'AWSCURRENT', MoveToVersionId: randomUUID(), RemoveFromVersionId: first });
      await expect(attempt).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    });
  });
});
