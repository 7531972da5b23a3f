import {
  DecryptionFailure,
  GetSecretValueCommand,
  InvalidRequestException,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { withAwsErrors } from '../shared/aws/aws-errors.ts';
import { SecretUnavailable } from './errors.ts';
import type { SecretReader, SecretReading } from './secret-reader.ts';
import { SecretValue } from './secret-value.ts';

/** SecretReader on AWS Secrets Manager; uses GetSecretValue. */
export class SecretsManagerReader implements SecretReader {
  readonly #client: SecretsManagerClient;

  constructor(client: SecretsManagerClient) {
    this.#client = client;
  }

  async read(
    name: string,
    which: { readonly versionId: string } | { readonly stage: 'AWSCURRENT' },
  ): Promise<SecretReading | undefined> {
    try {
      const answer = await withAwsErrors(() =>
        this.#client.send(
          new GetSecretValueCommand({
            SecretId: name,
            ...('versionId' in which ? { VersionId: which.versionId } : { VersionStage: which.stage }),
          }),
        ),
      );
      if (answer.SecretString === undefined || answer.VersionId === undefined) {
        throw new SecretUnavailable(`The secret "${name}" holds no text.`);
      }
      const value = new SecretValue({ name, versionId: answer.VersionId, text: answer.SecretString });
      return { value, stages: answer.VersionStages ?? [] };
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      const reason = refusal(error);
      if (reason === undefined) throw error;
      throw new SecretUnavailable(`The secret "${name}" cannot be read: ${reason}.`, { cause: error });
    }
  }
}

/** https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html */
function refusal(error: unknown): string | undefined {
  if (error instanceof DecryptionFailure) return 'its key does not decrypt it for this identity';
  if (error instanceof InvalidRequestException) return 'it is scheduled for deletion';
  if (error instanceof Error && error.name === 'AccessDeniedException') {
    return 'this identity has no secretsmanager:GetSecretValue on it';
  }
  return undefined;
}
