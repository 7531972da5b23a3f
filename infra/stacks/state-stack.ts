/* oxlint-disable no-new -- a construct adds itself to the tree of its scope */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { EnvironmentDeclaration } from '../../shared/config/declaration.ts';
import { AlertTopic } from '../constructs/alert-topic.ts';
import { AuditTable } from '../constructs/audit-table.ts';
import { ConsumersTable } from '../constructs/consumers-table.ts';
import { EncryptionKey } from '../constructs/encryption-key.ts';
import { RegistryTable } from '../constructs/registry-table.ts';

export interface StateStackProps extends StackProps {
  readonly declaration: EnvironmentDeclaration;
}

/** What must outlive every deployment: key, registry, audit trail, who holds what, the topic that people confirmed. */
export class StateStack extends Stack {
  readonly key: EncryptionKey;
  readonly registry: RegistryTable;
  readonly auditTrail: AuditTable;
  readonly consumers: ConsumersTable;
  readonly alerts: AlertTopic;

  constructor(scope: Construct, id: string, { declaration, ...props }: StateStackProps) {
    super(scope, id, props);
    const environment = declaration.name;
    this.key = new EncryptionKey(this, 'Key', { environment });
    this.registry = new RegistryTable(this, 'Registry', { key: this.key });
    this.auditTrail = new AuditTable(this, 'AuditTrail', { key: this.key });
    this.consumers = new ConsumersTable(this, 'Consumers', { environment, key: this.key });
    this.alerts = new AlertTopic(this, 'Alerts', { environment, key: this.key, subscriptions: declaration.alerts });

    // The CLI reads these; their names are part of its interface.
    new CfnOutput(this, 'RegistryTable', { value: this.registry.table.tableName });
    new CfnOutput(this, 'AuditTable', { value: this.auditTrail.table.tableName });
    new CfnOutput(this, 'ConsumersTable', { value: this.consumers.table.tableName });
    new CfnOutput(this, 'AlertTopicArn', { value: this.alerts.topic.topicArn });
    new CfnOutput(this, 'KeyArn', { value: this.key.key.keyArn });
  }
}
