/* oxlint-disable no-new -- a construct adds itself to the tree of its scope */
import { Stack } from 'aws-cdk-lib';
import { type IGrantable, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Subscription, SubscriptionFilter, SubscriptionProtocol, Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { createHash } from 'node:crypto';
import type { AlertSubscription } from '../../shared/config/declaration.ts';
import type { EncryptionKey } from './encryption-key.ts';

const PROTOCOLS: Readonly<Record<AlertSubscription['protocol'], SubscriptionProtocol>> = {
  email: SubscriptionProtocol.EMAIL,
  sqs: SubscriptionProtocol.SQS,
  https: SubscriptionProtocol.HTTPS,
};

export interface AlertTopicProps {
  readonly environment: string;
  readonly key: EncryptionKey;
  readonly subscriptions: readonly AlertSubscription[];
}

/** Where alerts go out to people, and where alarms go. Encrypted, TLS only; subscribers filter on the attribute `kind`. */
export class AlertTopic extends Construct {
  readonly topic: Topic;
  readonly #key: EncryptionKey;

  constructor(scope: Construct, id: string, props: AlertTopicProps) {
    super(scope, id);
    this.#key = props.key;
    this.topic = new Topic(this, 'Topic', {
      displayName: `Rekey ${props.environment}`,
      masterKey: props.key.key,
      enforceSSL: true,
    });
    this.topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsOfThisAccount',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [this.topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    );
    for (const subscription of props.subscriptions) this.#subscribe(subscription);
  }

  /** Sending alerts. */
  grantPublish(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({ actions: ['sns:Publish'], resources: [this.topic.topicArn] }),
    );
    this.#key.grantUseVia('sns', grantee);
  }

  #subscribe({ protocol, endpoint, kinds }: AlertSubscription): void {
    // Named by what it is, so that reordering the file does not recreate (and ask people to confirm) subscriptions.
    const digest = createHash('sha256').update(`${protocol} ${endpoint}`).digest('hex').slice(0, 8);
    new Subscription(this, `Subscription-${protocol}-${digest}`, {
      topic: this.topic,
      protocol: PROTOCOLS[protocol],
      endpoint,
      ...(kinds.length === 0 ? {} : { filterPolicy: { kind: new SubscriptionFilter([...kinds, { exists: false }]) } }),
    });
  }
}
