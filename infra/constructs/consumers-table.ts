import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, StreamViewType, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { consumersTableName } from '../../shared/rollout/consumer-items.ts';
import type { EncryptionKey } from './encryption-key.ts';

/**
 * Who holds which version and what they are told. Consumers read and write it themselves, so its name follows from the
 * environment's; its stream wakes the functions that count answers and write down uses.
 */
export class ConsumersTable extends Construct {
  readonly table: Table;
  readonly #key: EncryptionKey;

  constructor(scope: Construct, id: string, props: { readonly environment: string; readonly key: EncryptionKey }) {
    super(scope, id);
    this.#key = props.key;
    this.table = new Table(this, 'Table', {
      tableName: consumersTableName(props.environment),
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      timeToLiveAttribute: 'expiresAt',
      stream: StreamViewType.NEW_IMAGE,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: props.key.key,
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }

  /** Reading who is there, what they answered, and the batches. */
  grantList(grantee: IGrantable): void {
    this.#grant(grantee, ['dynamodb:Query']);
  }

  /** Reading what consumers are told. */
  grantReadNotice(grantee: IGrantable): void {
    this.#grant(grantee, ['dynamodb:GetItem']);
  }

  /** Changing what consumers are told, by compare-and-swap. */
  grantPost(grantee: IGrantable): void {
    this.#grant(grantee, ['dynamodb:GetItem', 'dynamodb:PutItem']);
  }

  /** Opening batches and counting answers into them. */
  grantCount(grantee: IGrantable): void {
    this.#grant(grantee, ['dynamodb:UpdateItem']);
  }

  /**
   * Reading the stream, as Lambda does for a function.
   * https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
   */
  grantStream(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({
        actions: [
          'dynamodb:DescribeStream',
          'dynamodb:GetRecords',
          'dynamodb:GetShardIterator',
          'dynamodb:ListStreams',
        ],
        resources: [this.streamArn],
      }),
    );
    this.#key.grantUseVia('dynamodb', grantee);
  }

  get streamArn(): string {
    const { tableStreamArn } = this.table;
    if (tableStreamArn === undefined) throw new Error('The table of consumers has no stream.');
    return tableStreamArn;
  }

  #grant(grantee: IGrantable, actions: string[]): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources: [this.table.tableArn] }));
    this.#key.grantUseVia('dynamodb', grantee);
  }
}
