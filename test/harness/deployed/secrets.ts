import {
  GetSecretValueCommand,
  paginateListSecrets,
  paginateListSecretVersionIds,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { hash } from 'node:crypto';
import './system.ts';

const client = new SecretsManagerClient({});

/** The JSON of a credential as it lies in Secrets Manager. */
export interface CredentialValue {
  readonly host: string;
  readonly port: number;
  readonly dbname: string;
  readonly username: string;
  readonly password: string;
}

export interface StoredVersion {
  readonly secretId: string;
  readonly versionId: string;
  readonly stages: readonly string[];
  readonly text: string;
}

export async function currentValue(secretId: string): Promise<CredentialValue> {
  return JSON.parse(await read({ SecretId: secretId, VersionStage: 'AWSCURRENT' })) as CredentialValue;
}

/** The version that carries AWSCURRENT. */
export async function currentVersion(secretId: string): Promise<string> {
  const command = new GetSecretValueCommand({ SecretId: secretId, VersionStage: 'AWSCURRENT' });
  return (await client.send(command)).VersionId ?? '';
}

/** Tells two values apart in an assertion, which prints what it compares. */
export async function currentDigest(secretId: string): Promise<string> {
  return hash('sha256', await read({ SecretId: secretId, VersionStage: 'AWSCURRENT' })).slice(0, 16);
}

export async function valueOf(secretId: string, versionId: string): Promise<CredentialValue> {
  return JSON.parse(await read({ SecretId: secretId, VersionId: versionId })) as CredentialValue;
}

/** Puts a new current value by hand. */
export async function putCurrent(secretId: string, value: object): Promise<void> {
  await client.send(new PutSecretValueCommand({ SecretId: secretId, SecretString: JSON.stringify(value) }));
}

/** Every version of a secret, with its value. */
export async function versionsOf(secretId: string): Promise<readonly StoredVersion[]> {
  const found: StoredVersion[] = [];
  const query = { SecretId: secretId, IncludeDeprecated: true };
  for await (const { Versions } of paginateListSecretVersionIds({ client }, query)) {
    for (const { VersionId = '', VersionStages = [] } of Versions ?? []) {
      const text = await read({ SecretId: secretId, VersionId });
      found.push({ secretId, versionId: VersionId, stages: VersionStages, text });
    }
  }
  return found;
}

/** Every version of every secret of the account. */
export async function everyVersion(): Promise<readonly StoredVersion[]> {
  const found: StoredVersion[] = [];
  for await (const { SecretList } of paginateListSecrets({ client }, {})) {
    for (const { Name = '' } of SecretList ?? []) found.push(...(await versionsOf(Name)));
  }
  return found;
}

async function read(query: { SecretId: string; VersionId?: string; VersionStage?: string }): Promise<string> {
  return (await client.send(new GetSecretValueCommand(query))).SecretString ?? '';
}
