import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  InvalidParameterException,
  InvalidRequestException,
  PutSecretValueCommand,
  ResourceExistsException,
  ResourceNotFoundException,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { Misconfigured } from '../errors.ts';
import { SecretText } from '../redact.ts';
import type { NewSecret, SecretDescription, SecretStore, SecretVersion, Stage } from '../secret-store.ts';
import { withAwsErrors } from './aws-errors.ts';

/** SecretStore on AWS Secrets Manager. Always names the stage or the version it wants. */
export class SecretsManagerStore implements SecretStore {
  readonly #client: SecretsManagerClient;

  constructor(client: SecretsManagerClient) {
    this.#client = client;
  }

  async describe(secretId: string): Promise<SecretDescription | undefined> {
    try {
      const answer = await withAwsErrors(() => this.#client.send(new DescribeSecretCommand({ SecretId: secretId })));
      if (answer.DeletedDate !== undefined) {
        throw new Misconfigured(`The secret "${secretId}" is scheduled for deletion in Secrets Manager; restore it.`);
      }
      return {
        arn: answer.ARN ?? '',
        name: answer.Name ?? secretId,
        stagesByVersion: answer.VersionIdsToStages ?? {},
        rotationEnabled: answer.RotationEnabled ?? false,
      };
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw error;
    }
  }

  async create(secret: NewSecret): Promise<'created' | 'exists'> {
    try {
      await withAwsErrors(() =>
        this.#client.send(
          new CreateSecretCommand({
            Name: secret.name,
            Description: secret.description,
            Tags: Object.entries(secret.tags).map(([Key, Value]) => ({ Key, Value })),
          }),
        ),
      );
      return 'created';
    } catch (error) {
      if (error instanceof ResourceExistsException) return 'exists';
      if (error instanceof InvalidRequestException) {
        throw new Misconfigured(
          `The secret "${secret.name}" is scheduled for deletion in Secrets Manager; restore it.`,
          {
            cause: error,
          },
        );
      }
      throw error;
    }
  }

  async read(
    secretId: string,
    which: { readonly versionId: string } | { readonly stage: Stage },
  ): Promise<SecretVersion | undefined> {
    try {
      const answer = await withAwsErrors(() =>
        this.#client.send(
          new GetSecretValueCommand({
            SecretId: secretId,
            ...('versionId' in which ? { VersionId: which.versionId } : { VersionStage: which.stage }),
          }),
        ),
      );
      if (answer.SecretString === undefined) {
        throw new Misconfigured(`The secret "${secretId}" holds binary data; Rekey rotates text.`);
      }
      return {
        versionId: answer.VersionId ?? '',
        stages: answer.VersionStages ?? [],
        value: new SecretText(answer.SecretString),
        createdAt: answer.CreatedDate ?? new Date(0),
      };
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw error;
    }
  }

  async putPending(secretId: string, versionId: string, value: SecretText): Promise<'stored' | 'conflict'> {
    try {
      await withAwsErrors(() =>
        this.#client.send(
          new PutSecretValueCommand({
            SecretId: secretId,
            ClientRequestToken: versionId,
            SecretString: value.reveal(),
            VersionStages: ['AWSPENDING'],
          }),
        ),
      );
      return 'stored';
    } catch (error) {
      // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html: same token, other value
      if (error instanceof ResourceExistsException) return 'conflict';
      throw error;
    }
  }

  async promote(
    secretId: string,
    move: { readonly from: string | undefined; readonly to: string },
  ): Promise<'moved' | 'lost'> {
    return this.#moveStage(secretId, {
      VersionStage: 'AWSCURRENT',
      MoveToVersionId: move.to,
      ...(move.from === undefined ? {} : { RemoveFromVersionId: move.from }),
    });
  }

  async clearPending(secretId: string, versionId: string): Promise<void> {
    await this.#moveStage(secretId, { VersionStage: 'AWSPENDING', RemoveFromVersionId: versionId });
  }

  async #moveStage(
    secretId: string,
    move: { VersionStage: Stage; MoveToVersionId?: string; RemoveFromVersionId?: string },
  ): Promise<'moved' | 'lost'> {
    try {
      await withAwsErrors(() =>
        this.#client.send(new UpdateSecretVersionStageCommand({ SecretId: secretId, ...move })),
      );
      return 'moved';
    } catch (error) {
      // The label is not where RemoveFromVersionId says:
      // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
      if (error instanceof InvalidParameterException || error instanceof ResourceNotFoundException) return 'lost';
      throw error;
    }
  }
}
