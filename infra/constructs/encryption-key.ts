import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { type IGrantable, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';

/** AWS services through which a grantee may use the key (`kms:ViaService`). */
export type KeyUser = 'dynamodb' | 'sns' | 'sqs';

const ACTIONS: Readonly<Record<KeyUser, readonly string[]>> = {
  // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
  dynamodb: [
    'kms:Decrypt',
    'kms:DescribeKey',
    'kms:Encrypt',
    'kms:GenerateDataKey',
    'kms:ReEncryptFrom',
    'kms:ReEncryptTo',
  ],
  // https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html: publishing needs these two
  sns: ['kms:Decrypt', 'kms:GenerateDataKey'],
  sqs: ['kms:Decrypt', 'kms:GenerateDataKey'],
};

/** The customer key under which an environment's tables, logs, alerts and dead letters are stored. Retained. */
export class EncryptionKey extends Construct {
  readonly key: Key;

  constructor(scope: Construct, id: string, props: { readonly environment: string }) {
    super(scope, id);
    const { account, partition, region } = Stack.of(this);
    this.key = new Key(this, 'Key', {
      description: `Rekey ${props.environment}: registry, audit trail, alerts, logs and dead letters`,
      alias: `alias/rekey-${props.environment}`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });

    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    this.key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'LogGroupsOfThisEnvironment',
        principals: [new ServicePrincipal(`logs.${region}.amazonaws.com`)],
        actions: [
          'kms:Encrypt',
          'kms:Decrypt',
          'kms:ReEncryptFrom',
          'kms:ReEncryptTo',
          'kms:GenerateDataKey',
          'kms:DescribeKey',
        ],
        resources: ['*'],
        conditions: {
          ArnLike: {
            'kms:EncryptionContext:aws:logs:arn': [
              `arn:${partition}:logs:${region}:${account}:log-group:${functionLogPrefix(props.environment)}/*`,
              `arn:${partition}:logs:${region}:${account}:log-group:${stateMachineLogPrefix(props.environment)}/*`,
            ],
          },
        },
      }),
    );
    // Alarms publish to the encrypted topic, rules send to encrypted dead-letter queues.
    this.key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsAndRulesOfThisAccount',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com'), new ServicePrincipal('events.amazonaws.com')],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: ['*'],
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
    );
  }

  /** Use of the key, only through `service`. */
  grantUseVia(service: KeyUser, grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({
        actions: [...ACTIONS[service]],
        resources: [this.key.keyArn],
        conditions: {
          StringEquals: { 'kms:ViaService': `${service}.${Stack.of(this).region}.amazonaws.com` },
        },
      }),
    );
  }
}

/** Log groups of an environment's functions start with this. */
export function functionLogPrefix(environment: string): string {
  return `/rekey/${environment}`;
}

/**
 * Log groups of its state machines. Under `/aws/vendedlogs/`, so that deliveries do not fill the account's log
 * resource policy (https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html).
 */
export function stateMachineLogPrefix(environment: string): string {
  return `/aws/vendedlogs/states/rekey/${environment}`;
}
