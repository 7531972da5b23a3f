const ref = (Ref: string) => ({ Ref });
const arn = (name: string) => ({ 'Fn::GetAtt': [name, 'Arn'] });

const SAY = `exports.handler = async (event) => { console.log(event.say); return event; };`;
/** A custom resource as one writes it oneself: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-responses.html */
const CONFIGURE = `
exports.handler = async (event) => {
  const { version } = event.ResourceProperties;
  const body = JSON.stringify({
    Status: version === 'fail' ? 'FAILED' : 'SUCCESS', Reason: 'as told', PhysicalResourceId: 'configured',
    StackId: event.StackId, RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId,
    Data: { Answer: JSON.stringify({ type: event.RequestType, version, old: event.OldResourceProperties?.version }) },
  });
  const answer = await fetch(event.ResponseURL, { method: 'PUT', body });
  if (!answer.ok) throw new Error('The response was refused: ' + answer.status);
};`;

/** The kinds of resources that Rekey deploys, as the CDK writes them, in two versions that differ in details. */
export function trialStack(version: 1 | 2): string {
  const attributes = ['pk', 'sk', 'shard', 'due'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' }));
  const keys = (hash: string, range: string) => [
    { AttributeName: hash, KeyType: 'HASH' },
    { AttributeName: range, KeyType: 'RANGE' },
  ];
  const table = {
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: attributes,
    KeySchema: keys('pk', 'sk'),
    GlobalSecondaryIndexes: [
      { IndexName: 'due', KeySchema: keys('shard', 'due'), Projection: { ProjectionType: 'ALL' } },
    ],
    TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
  };
  const recovery = { PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } };
  const Tags = [{ Key: 'version', Value: String(version) }];
  const role = (service: string) => ({
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
      },
      ManagedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole'],
    },
  });
  const code = (ZipFile: string) => ({
    Runtime: 'nodejs24.x',
    Handler: 'index.handler',
    Timeout: 20,
    Code: { ZipFile },
  });
  const allow = (service: string, Action: string) => ({
    Effect: 'Allow',
    Principal: { Service: service },
    Action,
    Resource: '*',
  });
  const Resources = {
    Key: {
      Type: 'AWS::KMS::Key',
      Properties: {
        Description: `version ${version}`,
        EnableKeyRotation: true,
        KeyPolicy: {
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Principal: { AWS: { 'Fn::Sub': 'arn:aws:iam::${AWS::AccountId}:root' } },
              Action: 'kms:*',
              Resource: '*',
            },
            allow('logs.amazonaws.com', 'kms:*'),
            allow('sns.amazonaws.com', 'kms:*'),
          ],
        },
      },
    },
    Table: {
      Type: 'AWS::DynamoDB::Table',
      Properties: {
        ...table,
        ...recovery,
        Tags,
        SSESpecification: { SSEEnabled: true, SSEType: 'KMS', KMSMasterKeyId: arn('Key') },
      },
    },
    GlobalTable: {
      Type: 'AWS::DynamoDB::GlobalTable',
      Properties: {
        ...table,
        SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
        Replicas: [{ Region: ref('AWS::Region'), ...recovery, Tags, SSESpecification: { KMSMasterKeyId: arn('Key') } }],
      },
    },
    Secret: {
      Type: 'AWS::SecretsManager::Secret',
      Properties: {
        Description: `version ${version}`,
        GenerateSecretString: {
          SecretStringTemplate: '{"username":"app"}',
          GenerateStringKey: 'password',
          PasswordLength: 40,
          ExcludePunctuation: true,
        },
      },
    },
    EmptySecret: { Type: 'AWS::SecretsManager::Secret', Properties: { KmsKeyId: arn('Key') } },
    Topic: { Type: 'AWS::SNS::Topic', Properties: { DisplayName: `Version ${version}`, KmsMasterKeyId: arn('Key') } },
    DeadLetters: { Type: 'AWS::SQS::Queue', Properties: { MessageRetentionPeriod: 1_209_600 } },
    Queue: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        VisibilityTimeout: 30 + version,
        RedrivePolicy: { deadLetterTargetArn: arn('DeadLetters'), maxReceiveCount: 3 },
      },
    },
    QueuePolicy: {
      Type: 'AWS::SQS::QueuePolicy',
      Properties: {
        Queues: [ref('Queue')],
        PolicyDocument: {
          Version: '2012-10-17',
          Statement: [{ ...allow('sns.amazonaws.com', 'sqs:SendMessage'), Resource: arn('Queue') }],
        },
      },
    },
    Subscription: {
      Type: 'AWS::SNS::Subscription',
      Properties: { Protocol: 'sqs', TopicArn: ref('Topic'), Endpoint: arn('Queue') },
    },
    Logs: {
      Type: 'AWS::Logs::LogGroup',
      Properties: { RetentionInDays: version === 1 ? 30 : 60, KmsKeyId: arn('Key') },
    },
    Role: role('lambda.amazonaws.com'),
    SendToDeadLetters: {
      Type: 'AWS::IAM::Policy',
      Properties: {
        PolicyName: 'send',
        Roles: [ref('Role')],
        PolicyDocument: {
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: 'sqs:SendMessage', Resource: arn('DeadLetters') }],
        },
      },
    },
    Function: {
      Type: 'AWS::Lambda::Function',
      DependsOn: ['SendToDeadLetters'],
      Properties: {
        ...code(SAY),
        Role: arn('Role'),
        DeadLetterConfig: { TargetArn: arn('DeadLetters') },
        LoggingConfig: { LogGroup: ref('Logs') },
        ReservedConcurrentExecutions: 5,
        Environment: { Variables: { VERSION: String(version), TABLE: ref('Table') } },
      },
    },
    Asynchronous: {
      Type: 'AWS::Lambda::EventInvokeConfig',
      Properties: {
        FunctionName: ref('Function'),
        Qualifier: '$LATEST',
        MaximumRetryAttempts: 0,
        MaximumEventAgeInSeconds: 3_600,
      },
    },
    Configure: { Type: 'AWS::Lambda::Function', Properties: { ...code(CONFIGURE), Role: arn('Role') } },
    Custom: { Type: 'Custom::Configure', Properties: { ServiceToken: arn('Configure'), version } },
    MachineRole: role('states.amazonaws.com'),
    Machine: {
      Type: 'AWS::StepFunctions::StateMachine',
      Properties: {
        RoleArn: arn('MachineRole'),
        DefinitionString: JSON.stringify({
          Comment: `version ${version}`,
          StartAt: 'Pass',
          States: { Pass: { Type: 'Pass', End: true } },
        }),
        LoggingConfiguration: {
          Level: 'ALL',
          IncludeExecutionData: false,
          Destinations: [{ CloudWatchLogsLogGroup: { LogGroupArn: arn('Logs') } }],
        },
        TracingConfiguration: { Enabled: true },
      },
    },
    Schedule: {
      Type: 'AWS::Events::Rule',
      Properties: {
        ScheduleExpression: 'rate(1 day)',
        Targets: [
          {
            Id: 'Machine',
            Arn: ref('Machine'),
            RoleArn: arn('MachineRole'),
            Input: JSON.stringify({ version }),
            DeadLetterConfig: { Arn: arn('DeadLetters') },
            RetryPolicy: { MaximumEventAgeInSeconds: 3_600, MaximumRetryAttempts: 3 },
          },
        ],
      },
    },
    Alarm: {
      Type: 'AWS::CloudWatch::Alarm',
      Properties: {
        Namespace: 'AWS/Lambda',
        MetricName: 'Errors',
        Dimensions: [{ Name: 'FunctionName', Value: ref('Function') }],
        Statistic: 'Sum',
        Period: 60,
        EvaluationPeriods: 1,
        Threshold: version,
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        AlarmActions: [ref('Topic')],
      },
    },
    AlarmOnMetricMath: {
      Type: 'AWS::CloudWatch::Alarm',
      Properties: {
        Metrics: [
          { Id: 'rate', Expression: 'errors * 2' },
          {
            Id: 'errors',
            ReturnData: false,
            MetricStat: { Metric: { Namespace: 'AWS/Lambda', MetricName: 'Errors' }, Period: 60, Stat: 'Sum' },
          },
        ],
        EvaluationPeriods: 1,
        Threshold: version,
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      },
    },
  };
  const outputs = {
    ...Object.fromEntries(
      ['Table', 'GlobalTable', 'Secret', 'EmptySecret', 'Topic', 'Queue', 'Function', 'Machine'].map((name) => [
        name,
        ref(name),
      ]),
    ),
    DeadLetterArn: arn('DeadLetters'),
    CustomArn: arn('Configure'),
    LogGroup: ref('Logs'),
    Answer: { 'Fn::GetAtt': ['Custom', 'Answer'] },
  };
  const Outputs = Object.fromEntries(Object.entries(outputs).map(([name, Value]) => [name, { Value }]));
  return JSON.stringify({ Resources, Outputs });
}
