import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { consumersTableName } from '../shared/rollout/consumer-items.ts';
import type { ConsumerLink } from '../shared/rollout/consumer-link.ts';
import { clientClock } from './client-clock.ts';
import { DynamoDbLink } from './dynamodb-link.ts';
import type { SecretReader } from './secret-reader.ts';
import { SecretsManagerReader } from './secrets-manager-reader.ts';

/** A call that hangs must not hold up the signs of life after it; the SDK tries three times. */
const TIMEOUTS = { requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true } };

const links = new Map<string, ConsumerLink>();
let reader: SecretReader | undefined;

/** `table`, else REKEY_CONSUMERS_TABLE, else that of `environment`, of REKEY_ENVIRONMENT, of `production`. */
export function tableName(
  { table, environment }: { readonly table?: string | undefined; readonly environment?: string | undefined },
  variables: NodeJS.ProcessEnv = process.env,
): string {
  return (
    table ??
    variables.REKEY_CONSUMERS_TABLE ??
    consumersTableName(environment ?? variables.REKEY_ENVIRONMENT ?? 'production')
  );
}

/** One for each table in this process, so that everybody shares its poller and its connections. */
export function defaultLink(table: string): ConsumerLink {
  const known = links.get(table);
  if (known !== undefined) return known;
  const link = new DynamoDbLink({ client: new DynamoDBClient(TIMEOUTS), table, clock: clientClock });
  links.set(table, link);
  return link;
}

export function defaultReader(): SecretReader {
  reader ??= new SecretsManagerReader(new SecretsManagerClient(TIMEOUTS));
  return reader;
}
