import { Match } from 'aws-cdk-lib/assertions';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { FUNCTION_NAMES } from '../../infra/bundles.ts';
import {
  answerKey,
  BATCH_PREFIX,
  consumerKey,
  consumersTableName,
  noticeKey,
  useKey,
} from '../../shared/rollout/consumer-items.ts';
import { readable, resources } from './support/resolve.ts';
import { declaration, SECRETS, type Synthesised, synthesise } from './support/stacks.ts';

let stacks: Synthesised;
beforeAll(async () => {
  stacks = await synthesise();
});
const properties = (template: 'state' | 'workflow', type: string): readonly Record<string, unknown>[] =>
  Object.values(resources(stacks[template], type)).map(({ Properties }) => Properties);

describe('what is kept', () => {
  it('stays when the stack goes: tables and key are retained, tables protected, recoverable and under our key', () => {
    const tables = Object.values(resources(stacks.state, 'AWS::DynamoDB::Table'));
    expect(tables).toHaveLength(3);
    for (const table of tables) {
      expect(table).toMatchObject({ DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
      expect(readable(table.Properties)).toMatchObject({
        BillingMode: 'PAY_PER_REQUEST',
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        SSESpecification: { SSEEnabled: true, SSEType: 'KMS', KMSMasterKeyId: '<Key>' },
      });
    }
    stacks.state.hasResource('AWS::KMS::Key', { DeletionPolicy: 'Retain', Properties: { EnableKeyRotation: true } });
    stacks.state.hasResourceProperties('AWS::KMS::Alias', { AliasName: 'alias/rekey-production' });
  });

  it('has the keys that the adapters use', () => {
    stacks.state.hasResourceProperties('AWS::DynamoDB::Table', {
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      GlobalSecondaryIndexes: [
        Match.objectLike({
          IndexName: 'due',
          KeySchema: [
            { AttributeName: 'dueShard', KeyType: 'HASH' },
            { AttributeName: 'dueAt', KeyType: 'RANGE' },
          ],
          Projection: { ProjectionType: 'ALL' },
        }),
      ],
      TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
    });
    stacks.state.hasResourceProperties('AWS::DynamoDB::Table', {
      KeySchema: [
        { AttributeName: 'secret_id', KeyType: 'HASH' },
        { AttributeName: 'sequence', KeyType: 'RANGE' },
      ],
      AttributeDefinitions: [
        { AttributeName: 'secret_id', AttributeType: 'S' },
        { AttributeName: 'sequence', AttributeType: 'N' },
      ],
    });
    // Its name is agreed with the consumers, who read no outputs.
    stacks.state.hasResourceProperties('AWS::DynamoDB::Table', {
      TableName: consumersTableName('production'),
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
      TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
      StreamSpecification: { StreamViewType: 'NEW_IMAGE' },
    });
  });

  it('is not in the disposable stack', () => {
    for (const type of ['AWS::DynamoDB::Table', 'AWS::KMS::Key', 'AWS::SNS::Topic', 'AWS::SecretsManager::Secret']) {
      expect(resources(stacks.workflow, type)).toEqual({});
    }
  });

  it('lets AWS services use the key only for this account, and log groups only of this environment', () => {
    const [{ KeyPolicy }] = properties('state', 'AWS::KMS::Key') as [
      { KeyPolicy: { Statement: Record<string, unknown>[] } },
    ];
    const ofServices = KeyPolicy.Statement.filter(({ Principal }) => 'Service' in (Principal as object));
    expect(ofServices).toHaveLength(2);
    expect(readable(ofServices)).toMatchObject([
      {
        Condition: {
          ArnLike: {
            'kms:EncryptionContext:aws:logs:arn': [
              expect.stringMatching(/:log-group:\/rekey\/production\/\*$/),
              expect.stringMatching(/:log-group:\/aws\/vendedlogs\/states\/rekey\/production\/\*$/),
            ],
          },
        },
      },
      { Condition: { StringEquals: { 'aws:SourceAccount': '<AWS::AccountId>' } } },
    ]);
  });
});

describe('alerts', () => {
  it('go out encrypted, over TLS only', () => {
    expect(readable(properties('state', 'AWS::SNS::Topic'))).toMatchObject([{ KmsMasterKeyId: '<Key>' }]);
    stacks.state.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      },
    });
  });

  it('reach every subscription of the file, filtered by kind where it says so', () => {
    const subscriptions = properties('state', 'AWS::SNS::Subscription');
    expect(subscriptions.map(({ Protocol, FilterPolicy }) => [Protocol, FilterPolicy])).toEqual([
      ['email', undefined],
      ['sqs', { kind: ['rotation_failed', 'retirement_owed', { exists: false }] }],
      ['https', undefined],
    ]);
    for (const { FilterPolicyScope } of subscriptions)
      expect(FilterPolicyScope ?? 'MessageAttributes').toBe('MessageAttributes');
  });
});

describe('every function', () => {
  it('is there, on arm64 and Node 24, traced, logging JSON to a group of its own that ends after three months', () => {
    const functions = properties('workflow', 'AWS::Lambda::Function');
    expect(functions).toHaveLength(FUNCTION_NAMES.length);
    const groups = resources(stacks.workflow, 'AWS::Logs::LogGroup');
    const used = functions.map((it) => {
      expect(it).toMatchObject({
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
        Handler: 'index.handler',
        TracingConfig: { Mode: 'Active' },
        LoggingConfig: { LogFormat: 'JSON' },
        Environment: { Variables: { REKEY_ENVIRONMENT: 'production', NODE_OPTIONS: '--enable-source-maps' } },
      });
      expect(it['MemorySize']).toBeGreaterThanOrEqual(256);
      expect(it['Timeout']).toBeGreaterThanOrEqual(60);
      expect(it).not.toHaveProperty('ReservedConcurrentExecutions');
      return (it['LoggingConfig'] as { LogGroup: { Ref: string } }).LogGroup.Ref;
    });
    expect(new Set(used).size).toBe(functions.length);
    for (const { Properties } of Object.values(groups)) {
      expect(readable(Properties)).toMatchObject({ RetentionInDays: 90, KmsKeyId: '<Key>' });
    }
  });

  it('gets the names of its resources, and no more', () => {
    const variables = Object.fromEntries(
      Object.entries(resources(stacks.workflow, 'AWS::Lambda::Function')).map(([id, { Properties }]) => [
        id.replace(/^Functions(\w+)Function.{8}$/, '$1'),
        Object.keys((Properties['Environment'] as { Variables: object }).Variables).sort(),
      ]),
    );
    const all = ['AUDIT_TABLE', 'CONSUMERS_TABLE', 'NODE_OPTIONS', 'REGISTRY_TABLE', 'REKEY_ENVIRONMENT'];
    const telling = ['ALERT_TOPIC_ARN', ...all];
    const retiring = [...telling, 'VERSION_RETIREMENT_ARN'];
    const more: Readonly<Record<string, readonly string[]>> = {
      Notify: telling,
      Owed: telling,
      Recover: retiring,
      Revert: retiring,
      RotationContract: retiring,
      Sweep: [...all, 'VERSION_RETIREMENT_ARN'],
    };
    for (const [name, names] of Object.entries(variables)) expect(names, name).toEqual(more[name] ?? all);
  });

  it('that reaches targets runs in the given network, and no other', async () => {
    const vpc = {
      vpcId: 'vpc-0a1b2c3d',
      subnetIds: ['subnet-0a1b2c3d', 'subnet-1a1b2c3d'],
      availabilityZones: ['eu-west-1a', 'eu-west-1b'],
      securityGroupIds: ['sg-0a1b2c3d'],
    };
    const { workflow } = await synthesise({ context: { vpc: JSON.stringify(vpc) } });
    const inside = Object.entries(resources(workflow, 'AWS::Lambda::Function')).flatMap(([id, { Properties }]) => {
      const config = Properties['VpcConfig'];
      if (config === undefined) return [];
      expect(config).toEqual({ SubnetIds: vpc.subnetIds, SecurityGroupIds: vpc.securityGroupIds });
      return [id.replace(/^Functions(\w+)Function.{8}$/, '$1')];
    });
    expect(inside.sort()).toEqual([
      'Apply',
      'Generate',
      'Recover',
      'Retire',
      'Revert',
      'RollBack',
      'RotationContract',
      'SettleDebt',
      'Test',
    ]);
  });
});

describe('Configure', () => {
  const hashOf = ({ workflow }: Synthesised): unknown =>
    Object.values(resources(workflow, 'Custom::RekeyConfiguration'))[0]?.Properties['ConfigurationHash'];

  it('runs after its permissions are there, as its own service token', () => {
    const [resource] = Object.values(resources(stacks.workflow, 'Custom::RekeyConfiguration'));
    expect(readable(resource?.Properties)).toMatchObject({
      ServiceToken: '<FunctionsConfigureFunction>',
      ServiceTimeout: '360',
    });
    expect(resource?.['DependsOn']).toEqual(
      expect.arrayContaining([expect.stringMatching(/^FunctionsConfigureRoleDefaultPolicy/)]),
    );
  });

  it('runs again when the declaration changes, and only then', async () => {
    expect(hashOf(await synthesise())).toBe(hashOf(stacks));
    const changed = await synthesise({ secrets: [...SECRETS, declaration('one_more')] });
    expect(hashOf(changed)).not.toBe(hashOf(stacks));
  });
});

describe('triggers', () => {
  it('hand every event over with retries and a dead-letter queue', () => {
    const rules = properties('workflow', 'AWS::Events::Rule');
    expect(rules).toHaveLength(4);
    for (const { Targets } of rules) {
      for (const target of Targets as object[]) {
        expect(readable(target)).toMatchObject({
          DeadLetterConfig: { Arn: '<UndeliveredEventsQueue>' },
          RetryPolicy: { MaximumRetryAttempts: expect.any(Number), MaximumEventAgeInSeconds: expect.any(Number) },
        });
      }
    }
    stacks.workflow.hasResourceProperties('AWS::Lambda::Function', { DeadLetterConfig: Match.anyValue() });
  });

  it('are the schedules, a request, and an execution that failed', () => {
    const rules = readable(properties('workflow', 'AWS::Events::Rule')) as Record<string, unknown>[];
    expect(rules.map(({ ScheduleExpression, EventPattern }) => ScheduleExpression ?? EventPattern)).toEqual(
      expect.arrayContaining([
        'rate(5 minutes)',
        'rate(1 hour)',
        { source: ['rekey'], 'detail-type': ['Rotation Requested'], resources: ['rekey:production'] },
        {
          source: ['aws.states'],
          'detail-type': ['Step Functions Execution Status Change'],
          detail: {
            status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
            stateMachineArn: ['<SecretRotationStateMachine>', '<VersionRetirementStateMachine>'],
          },
        },
      ]),
    );
    for (const rule of rules) expect(rule).not.toHaveProperty('EventBusName');
  });

  it('queue what failed encrypted, for 14 days, over TLS only', () => {
    const queues = properties('workflow', 'AWS::SQS::Queue');
    expect(queues).toHaveLength(3);
    for (const queue of queues) {
      expect(readable(queue)).toMatchObject({ KmsMasterKeyId: '<Key>', MessageRetentionPeriod: 1_209_600 });
    }
    const policies = JSON.stringify(properties('workflow', 'AWS::SQS::QueuePolicy'));
    expect(policies.match(/"aws:SecureTransport":"false"/g)).toHaveLength(3);
  });
});

describe('what consumers write', () => {
  interface Mapping {
    readonly FunctionName: string;
    readonly FilterCriteria: { readonly Filters: readonly { readonly Pattern: string }[] };
  }
  const mappings = () =>
    readable(properties('workflow', 'AWS::Lambda::EventSourceMapping')) as unknown as readonly Mapping[];
  const ids = { secretId: 'pg_prod_main', rotationId: '11111111-1111-8111-8111-111111111111', consumerId: 'c-1' };
  /** Every kind of item that the table has, by its sort key. */
  const sortKeys = {
    answer: answerKey(ids).sk.S,
    use: useKey({ ...ids, number: 1 }).sk.S,
    signOfLife: consumerKey(ids).sk.S,
    notice: noticeKey(ids.secretId).sk.S,
    batch: `${BATCH_PREFIX}${ids.rotationId}#000000`,
  };

  it('is brought from the beginning, in batches that one bad record does not hold up, and kept when it fails', () => {
    expect(mappings()).toHaveLength(2);
    for (const mapping of mappings()) {
      expect(mapping).toMatchObject({
        EventSourceArn: '<ConsumersTable.StreamArn>',
        StartingPosition: 'TRIM_HORIZON',
        BisectBatchOnFunctionError: true,
        MaximumRetryAttempts: 20,
        MaximumRecordAgeInSeconds: 6 * 3600,
        DestinationConfig: { OnFailure: { Destination: '<UnhandledAnswersQueue>' } },
      });
      expect(mapping).not.toHaveProperty('Enabled', false);
    }
  });

  it.each([
    ['Acknowledge', 'answer', 100],
    ['RecordUse', 'use', 10],
  ] as const)('reaches %s when it is new and of the kind %s, and nothing else does', (name, kind, batchSize) => {
    const mapping = mappings().find(({ FunctionName }) => FunctionName === `<Functions${name}Function>`);
    expect(mapping).toMatchObject({ BatchSize: batchSize });
    const patterns = mapping?.FilterCriteria.Filters.map(({ Pattern }) => JSON.parse(Pattern) as unknown);
    expect(patterns).toEqual([
      { eventName: ['INSERT', 'MODIFY'], dynamodb: { Keys: { sk: { S: [{ prefix: expect.any(String) }] } } } },
    ]);
    const [{ dynamodb }] = patterns as [{ dynamodb: { Keys: { sk: { S: [{ prefix: string }] } } } }];
    const [{ prefix }] = dynamodb.Keys.sk.S;
    const taken = Object.entries(sortKeys).filter(([, sortKey]) => sortKey.startsWith(prefix));
    expect(taken.map(([taker]) => taker)).toEqual([kind]);
  });
});

describe('alarms', () => {
  const runbook = readFileSync(join(import.meta.dirname, '../../infra/runbook.md'), 'utf8');
  const sections = runbook.split(/^## /m).slice(1);

  it('each have a heading in the runbook, and each heading has its alarm', () => {
    const named = properties('workflow', 'AWS::CloudWatch::Alarm').map(
      ({ AlarmDescription }) => /infra\/runbook\.md, "(.+)"\.$/.exec(String(AlarmDescription))?.[1],
    );
    expect(new Set(named)).toEqual(new Set(sections.map((section) => section.split('\n')[0])));
  });

  it('say what it is, how to look into it and what to do', () => {
    for (const section of sections) {
      expect(section.match(/^### .+$/gm)).toEqual(['### Description', '### Investigation', '### Resolution']);
    }
  });

  it('tell people through the alert topic', () => {
    for (const alarm of properties('workflow', 'AWS::CloudWatch::Alarm')) {
      expect(readable(alarm)).toMatchObject({ AlarmActions: ['<AlertsTopic>'] });
    }
  });

  it('go off when anything waits in a dead-letter queue', () => {
    const watched = properties('workflow', 'AWS::CloudWatch::Alarm').filter(
      ({ MetricName }) => MetricName === 'ApproximateNumberOfMessagesVisible',
    );
    expect(readable(watched)).toHaveLength(properties('workflow', 'AWS::SQS::Queue').length);
    expect(readable(watched)).toEqual(
      ['UndeliveredEvents', 'UndeliveredRecoveries', 'UnhandledAnswers'].map((queue) =>
        expect.objectContaining({
          Dimensions: [{ Name: 'QueueName', Value: `<${queue}Queue.QueueName>` }],
          ComparisonOperator: 'GreaterThanOrEqualToThreshold',
          Threshold: 1,
          EvaluationPeriods: 1,
          TreatMissingData: 'notBreaching',
        }),
      ),
    );
  });

  it('go off when a step of Secrets Manager failed', () => {
    const [alarm] = properties('workflow', 'AWS::CloudWatch::Alarm').filter(
      ({ AlarmName }) => AlarmName === 'rekey-production-rotation-function-failed',
    );
    expect(readable(alarm ?? {})).toMatchObject({
      MetricName: 'Errors',
      Dimensions: [{ Name: 'FunctionName', Value: '<FunctionsRotationContractFunction>' }],
      Threshold: 1,
      TreatMissingData: 'notBreaching',
    });
  });

  it('go off when the dispatcher falls silent', () => {
    stacks.workflow.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'ExecutionsStarted',
      TreatMissingData: 'breaching',
      ComparisonOperator: 'LessThanThreshold',
      Period: 300,
      EvaluationPeriods: 3,
    });
  });
});

describe('both templates', () => {
  it('pass CloudFormation’s own checks without a finding', async () => {
    const { app } = await synthesise({ validated: true });
    const report = JSON.parse(readFileSync(join(app.outdir, 'validation-report.json'), 'utf8')) as {
      pluginReports: unknown[];
    };
    expect(report.pluginReports).toEqual([]);
  }, 60_000);

  it('hold no text that looks like a secret, and no declaration’s connection facts', async () => {
    const connection = {
      host: 'db.internal',
      dbname: 'orders',
      tls: 'require',
      certificateAuthority: 'PEM-CANARY',
    } as const;
    const { state, workflow } = await synthesise({ secrets: [declaration('pg', { connection })] });
    const text = JSON.stringify([state.toJSON(), workflow.toJSON()]);
    expect(text).not.toMatch(
      /password|passwd|BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9]{20}|gh[pous]_[A-Za-z0-9]{20}/i,
    );
    expect(text).not.toMatch(/db\.internal|PEM-CANARY|SecretString/);
  });

  it('put out what the CLI reads', () => {
    const outputs = (template: 'state' | 'workflow') =>
      Object.keys(stacks[template].findOutputs('*'))
        .filter((id) => !id.startsWith('ExportsOutput'))
        .sort();
    expect(outputs('state')).toEqual(['AlertTopicArn', 'AuditTable', 'ConsumersTable', 'KeyArn', 'RegistryTable']);
    expect(outputs('workflow')).toEqual([
      'ConfigureFunction',
      'DispatchArn',
      'EventBusName',
      'ReloadFunction',
      'RevertFunction',
      'RotationFunctionArn',
      'SecretRotationArn',
      'SettleDebtFunction',
      'VersionRetirementArn',
    ]);
    const cli = join(import.meta.dirname, '../../cli');
    const read = readdirSync(cli, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [...readFileSync(join(cli, file), 'utf8').matchAll(/outputOf\([^)]*'(\w+)'\)/g)])
      .map(([, name]) => name);
    expect(read).toEqual(expect.arrayContaining(['ConsumersTable', 'ReloadFunction', 'RevertFunction']));
    expect([...outputs('state'), ...outputs('workflow')]).toEqual(expect.arrayContaining(read));
  });
});
