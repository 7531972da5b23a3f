import { RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, ProjectionType, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { EncryptionKey } from './encryption-key.ts';

/** The name `shared/aws/dynamodb-registry.ts` queries by. */
const DUE_INDEX = 'due';

/** What is known of every secret: retained, protected, recoverable to any second of the last 35 days. */
export class RegistryTable extends Construct {
  readonly table: Table;
  readonly #key: EncryptionKey;

  constructor(scope: Construct, id: string, props: { readonly key: EncryptionKey }) {
    super(scope, id);
    this.#key = props.key;
    this.table = new Table(this, 'Table', {
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      timeToLiveAttribute: 'expiresAt',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: props.key.key,
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    // Sparse: only what may be started carries `dueShard`, so finding it costs what is due, not what exists.
    this.table.addGlobalSecondaryIndex({
      indexName: DUE_INDEX,
      partitionKey: { name: 'dueShard', type: AttributeType.STRING },
      sortKey: { name: 'dueAt', type: AttributeType.STRING },
      projectionType: ProjectionType.ALL,
    });
  }

  /** Reading single records. */
  grantRead(grantee: IGrantable): void {
    this.#grant(grantee, ['dynamodb:GetItem'], this.table.tableArn);
    this.#key.grantUseVia('dynamodb', grantee);
  }

  /** Read and compare-and-swap of single records (a transaction is authorised by its parts' actions). */
  grantReadWrite(grantee: IGrantable): void {
    this.#grant(grantee, ['dynamodb:GetItem', 'dynamodb:PutItem'], this.table.tableArn);
    this.#key.grantUseVia('dynamodb', grantee);
  }

  /** Putting a new rotation in the place of the last one, on condition that it has not been there before. */
  grantArchive(grantee: IGrantable): void {
    this.#grant(grantee, ['dynamodb:ConditionCheckItem'], this.table.tableArn);
  }

  /** Finding what is due, through the index only. */
  grantFindDue(grantee: IGrantable): void {
    this.#grant(grantee, ['dynamodb:Query'], `${this.table.tableArn}/index/${DUE_INDEX}`);
  }

  /** Listing every record. */
  grantList(grantee: IGrantable): void {
    this.#grant(grantee, ['dynamodb:Scan'], this.table.tableArn);
  }

  #grant(grantee: IGrantable, actions: string[], resource: string): void {
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources: [resource] }));
  }
}
