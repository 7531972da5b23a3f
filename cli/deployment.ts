import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDbAuditTrail } from '../shared/aws/dynamodb-audit-trail.ts';
import { DynamoDbRegistry } from '../shared/aws/dynamodb-registry.ts';
import { DynamoDbRollouts } from '../shared/aws/dynamodb-rollouts.ts';
import { systemClock } from '../shared/clock.ts';
import type { Registry } from '../shared/registry/registry.ts';
import type { RolloutStore } from '../shared/rollout/rollout-store.ts';
import { CommandFailure, EXIT_CODE } from './exit-code.ts';

export const DEFAULT_ENVIRONMENT = process.env.REKEY_ENVIRONMENT ?? 'production';

/** One deployed environment, as its stacks' outputs describe it. */
export interface Deployment {
  readonly environment: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly registry: Registry;
  readonly auditTrail: DynamoDbAuditTrail;
  readonly rollouts: RolloutStore;
}

/** Finds the environment's stacks through CloudFormation. Throws a CommandFailure that says what is missing. */
export async function openDeployment(environment: string): Promise<Deployment> {
  const cloudFormation = new CloudFormationClient({});
  const outputs = {
    ...(await stackOutputs(cloudFormation, `Rekey-${environment}-State`)),
    ...(await stackOutputs(cloudFormation, `Rekey-${environment}-Workflow`)),
  };
  const dynamoDb = new DynamoDBClient({});
  const auditTrail = new DynamoDbAuditTrail({
    client: dynamoDb,
    table: outputOf(outputs, 'AuditTable'),
    clock: systemClock,
  });
  const registry = new DynamoDbRegistry(dynamoDb, outputOf(outputs, 'RegistryTable'), auditTrail);
  const rollouts = new DynamoDbRollouts(dynamoDb, outputOf(outputs, 'ConsumersTable'));
  return { environment, outputs, registry, auditTrail, rollouts };
}

export function outputOf(outputs: Readonly<Record<string, string>>, key: string): string {
  const value = outputs[key];
  if (value === undefined) {
    throw new CommandFailure(
      `The deployed stacks have no output ${key}: deploy them again with this version of Rekey.`,
    );
  }
  return value;
}

async function stackOutputs(cloudFormation: CloudFormationClient, StackName: string): Promise<Record<string, string>> {
  try {
    const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName }));
    const outputs = Stacks?.[0]?.Outputs ?? [];
    return Object.fromEntries(outputs.map(({ OutputKey, OutputValue }) => [OutputKey ?? '', OutputValue ?? '']));
  } catch (error) {
    throw new CommandFailure(explain(error, StackName), EXIT_CODE.environment, { cause: error });
  }
}

function explain(error: unknown, stack: string): string {
  const name = error instanceof Error ? error.name : 'unknown error';
  const message = error instanceof Error ? error.message : '';
  if (message.includes('does not exist')) {
    return `There is no stack ${stack} here: run "cdk deploy --all", or name another environment with --environment.`;
  }
  if (name.includes('Credentials') || message.includes('credentials')) {
    return 'No AWS credentials were found: sign in (aws sso login), or set AWS_PROFILE. For the local cloud: eval "$(npx rekey local env)".';
  }
  if (message.includes('Region is missing')) return 'No AWS region is set: set AWS_REGION.';
  if (message.includes('ECONNREFUSED')) {
    return 'The endpoint in AWS_ENDPOINT_URL does not answer: start the local cloud with "npx rekey local up", or unset it.';
  }
  return `CloudFormation did not tell about the stack ${stack} (${name}).`;
}
