import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { permissions, resources, type Statement } from './support/resolve.ts';
import { ADMIN_ARN, declaration, type Synthesised, synthesise } from './support/stacks.ts';

const MANAGED = ['secret:pg_prod_main-??????', 'secret:pg_prod_backup-??????'];
const ADMIN = ['secret:pg_admin-??????', ADMIN_ARN];
const ANY_KEY = 'arn:<AWS::Partition>:kms:<AWS::Region>:<AWS::AccountId>:key/*';
const MAP_RUNS =
  'arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<RotationDispatchStateMachine.Name>';

const on = (resources: string | readonly string[], actions: readonly string[], suffix = ''): readonly string[] =>
  [resources].flat().flatMap((resource) => actions.map((action) => `${action} on ${resource}${suffix}`));

const own = (name: string): readonly string[] => [
  ...on(`<Functions${name}Logs>`, ['logs:CreateLogStream', 'logs:PutLogEvents']),
  ...on('*', ['xray:PutTelemetryRecords', 'xray:PutTraceSegments']),
];
const tableKey = on(
  '<Key>',
  ['Decrypt', 'DescribeKey', 'Encrypt', 'GenerateDataKey', 'ReEncryptFrom', 'ReEncryptTo'].map((name) => `kms:${name}`),
  ' via dynamodb',
);
const registry = [...on('<RegistryTable>', ['dynamodb:GetItem', 'dynamodb:PutItem']), ...tableKey];
const registryRead = [...on('<RegistryTable>', ['dynamodb:GetItem']), ...tableKey];
const auditTrail = [...on('<AuditTrailTable>', ['dynamodb:GetItem', 'dynamodb:PutItem']), ...tableKey];
const consumers = (...actions: string[]): readonly string[] => [
  ...on(
    '<ConsumersTable>',
    actions.map((name) => `dynamodb:${name}`),
  ),
  ...tableKey,
];
const consumerList = consumers('Query');
const consumerNotice = consumers('GetItem', 'PutItem');
const events = [
  ...on(
    '<ConsumersTable.StreamArn>',
    ['DescribeStream', 'GetRecords', 'GetShardIterator', 'ListStreams'].map((name) => `dynamodb:${name}`),
  ),
  ...tableKey,
  'sqs:SendMessage on <UnhandledAnswersQueue>',
  ...on('<Key>', ['kms:Decrypt', 'kms:GenerateDataKey'], ' via sqs'),
];
const taskTokens = on('<SecretRotationStateMachine>', ['states:SendTaskSuccess']);
const alerts = [
  ...on('<AlertsTopic>', ['sns:Publish']),
  ...on('<Key>', ['kms:Decrypt', 'kms:GenerateDataKey'], ' via sns'),
];
const secrets = (...actions: string[]): readonly string[] =>
  on(
    MANAGED,
    actions.map((name) => `secretsmanager:${name}`),
  );
const read = (of: readonly string[]): readonly string[] => [
  ...on(of, ['secretsmanager:GetSecretValue']),
  ...of.flatMap((arn) => on(ANY_KEY, ['kms:Decrypt'], ` via secretsmanager for ${arn}`)),
];
const machine = [
  ...on(
    '*',
    [
      'CreateLogDelivery',
      'DeleteLogDelivery',
      'DescribeLogGroups',
      'DescribeResourcePolicies',
      'GetLogDelivery',
      'ListLogDeliveries',
      'PutResourcePolicy',
      'UpdateLogDelivery',
    ].map((name) => `logs:${name}`),
  ),
  ...on(
    '*',
    ['GetSamplingRules', 'GetSamplingTargets', 'PutTelemetryRecords', 'PutTraceSegments'].map((name) => `xray:${name}`),
  ),
];
const invokes = (...names: string[]): readonly string[] =>
  names.flatMap((name) => on(`<Functions${name}Function>`, ['lambda:InvokeFunction']));
const starts = (name: string): readonly string[] => on(`<${name}StateMachine>`, ['states:StartExecution']);

const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  FunctionsDispatchRole: [...own('Dispatch'), ...registry, 'dynamodb:Query on <RegistryTable>/index/due'],
  FunctionsGenerateRole: [
    ...own('Generate'),
    ...registry,
    'dynamodb:ConditionCheckItem on <RegistryTable>',
    ...auditTrail,
    ...consumerList,
    ...consumerNotice,
    ...read([...MANAGED, ...ADMIN]),
    ...secrets('DescribeSecret', 'PutSecretValue', 'UpdateSecretVersionStage'),
    ...MANAGED.flatMap((arn) => on(ANY_KEY, ['kms:GenerateDataKey'], ` via secretsmanager for ${arn}`)),
  ],
  FunctionsTestRole: [...own('Test'), ...registry, ...auditTrail, ...read([...MANAGED, ...ADMIN])],
  FunctionsAuditRole: [...own('Audit'), ...registry, ...auditTrail, ...consumerList, ...consumers('GetItem')],
  FunctionsReleaseBatchRole: [
    ...own('ReleaseBatch'),
    ...registryRead,
    ...consumerList,
    ...consumerNotice,
    ...consumers('UpdateItem'),
    ...taskTokens,
  ],
  FunctionsJudgeBatchRole: [...own('JudgeBatch'), ...registry, ...consumerList],
  FunctionsAcknowledgeRole: [...own('Acknowledge'), ...consumers('GetItem', 'UpdateItem'), ...events, ...taskTokens],
  FunctionsRecordUseRole: [...own('RecordUse'), ...auditTrail, ...events],
  FunctionsReloadRole: [
    ...own('Reload'),
    ...registryRead,
    ...auditTrail,
    ...consumerNotice,
    ...secrets('DescribeSecret'),
  ],
  FunctionsRevertRole: [
    ...own('Revert'),
    ...registry,
    ...auditTrail,
    ...consumerNotice,
    ...alerts,
    ...read(MANAGED),
    ...secrets('UpdateSecretVersionStage'),
    ...starts('VersionRetirement'),
  ],
  FunctionsApplyRole: [
    ...own('Apply'),
    ...registry,
    ...auditTrail,
    ...consumerNotice,
    ...read([...MANAGED, ...ADMIN]),
    ...secrets('UpdateSecretVersionStage'),
  ],
  FunctionsNotifyRole: [...own('Notify'), ...registry, ...auditTrail, ...alerts],
  FunctionsRollBackRole: [
    ...own('RollBack'),
    ...registry,
    ...auditTrail,
    ...consumerList,
    ...consumerNotice,
    ...read([...MANAGED, ...ADMIN]),
    ...secrets('UpdateSecretVersionStage'),
  ],
  FunctionsRetireRole: [
    ...own('Retire'),
    ...registry,
    ...auditTrail,
    ...consumerList,
    ...consumerNotice,
    ...read([...MANAGED, ...ADMIN]),
  ],
  FunctionsOwedRole: [...own('Owed'), ...registry, ...auditTrail, ...alerts],
  FunctionsSettleDebtRole: [...own('SettleDebt'), ...registry, ...auditTrail, ...read(MANAGED)],
  FunctionsRecoverRole: [
    ...own('Recover'),
    ...registry,
    ...auditTrail,
    ...consumerList,
    ...consumerNotice,
    ...alerts,
    ...read([...MANAGED, ...ADMIN]),
    ...secrets('UpdateSecretVersionStage'),
    ...starts('VersionRetirement'),
    'sqs:SendMessage on <UndeliveredRecoveriesQueue>',
    ...on('<Key>', ['kms:Decrypt', 'kms:GenerateDataKey'], ' via sqs'),
  ],
  FunctionsConfigureRole: [
    ...own('Configure'),
    ...registry,
    'dynamodb:Scan on <RegistryTable>',
    ...auditTrail,
    ...read(MANAGED),
    ...secrets('DescribeSecret', 'CreateSecret', 'TagResource'),
    ...on(
      ['secret:pg_prod_main', 'secret:pg_prod_backup'],
      ['secretsmanager:CreateSecret', 'secretsmanager:TagResource'],
    ),
  ],
  FunctionsSweepRole: [
    ...own('Sweep'),
    ...registry,
    'dynamodb:Scan on <RegistryTable>',
    ...auditTrail,
    ...secrets('DescribeSecret'),
    ...starts('VersionRetirement'),
  ],
  FunctionsRotationContractRole: [
    ...own('RotationContract'),
    ...registry,
    'dynamodb:ConditionCheckItem on <RegistryTable>',
    ...auditTrail,
    ...consumerList,
    ...consumerNotice,
    ...alerts,
    ...read([...MANAGED, ...ADMIN]),
    ...secrets('DescribeSecret', 'PutSecretValue', 'UpdateSecretVersionStage'),
    ...MANAGED.flatMap((arn) => on(ANY_KEY, ['kms:GenerateDataKey'], ` via secretsmanager for ${arn}`)),
    ...starts('VersionRetirement'),
  ],
  VersionRetirementRole: [...machine, ...invokes('Retire', 'Owed')],
  SecretRotationRole: [
    ...machine,
    ...invokes('Generate', 'Test', 'Audit', 'ReleaseBatch', 'JudgeBatch', 'Apply', 'Notify', 'RollBack'),
    ...starts('VersionRetirement'),
  ],
  RotationDispatchRole: [
    ...machine,
    ...invokes('Dispatch'),
    ...starts('SecretRotation'),
    ...starts('RotationDispatch'),
    ...on([`${MAP_RUNS}/*`, `${MAP_RUNS}:*`], ['states:DescribeExecution', 'states:StopExecution']),
  ],
  RotationDispatchStateMachineEventsRole: [...starts('RotationDispatch')],
};

/** Why each wildcard stands. Nothing else may have one. */
const WILDCARD_REASONS: Readonly<Record<string, string>> = {
  'xray: on *': 'X-Ray has no resource-level permissions',
  'logs: on *': 'the log delivery API, through which Step Functions logs, has no resource-level permissions',
  [`kms: on ${ANY_KEY}`]:
    'the key of a secret is known at run time; only through Secrets Manager, only for declared secrets',
  [`states: on ${MAP_RUNS}/*`]: 'map runs of one machine are named by Step Functions',
  [`states: on ${MAP_RUNS}:*`]: 'executions of one machine are named when they start',
};

/** Each action on each resource as a line, with the condition in words. */
function lines(statements: readonly Statement[]): readonly string[] {
  const found = statements.flatMap(({ actions, resources, condition }) => {
    const { StringEquals, StringLike } = (condition ?? {}) as Record<string, Record<string, string | string[]>>;
    const via = String(StringEquals?.['kms:ViaService'] ?? '').replace(/\..*/, '');
    const arns = [StringLike?.['kms:EncryptionContext:SecretARN'] ?? ['']].flat();
    return actions.flatMap((action) =>
      resources.flatMap((resource) =>
        arns.map((arn) => `${action} on ${plain(resource)}${via && ` via ${via}`}${arn && ` for ${plain(arn)}`}`),
      ),
    );
  });
  return [...new Set(found)].sort();
}

function plain(arn: string): string {
  return arn.replace('arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:', 'secret:');
}

describe('permissions', () => {
  let stacks: Synthesised;
  let granted: ReadonlyMap<string, readonly Statement[]>;
  beforeAll(async () => {
    stacks = await synthesise();
    granted = permissions(stacks.workflow);
  });

  it.each(Object.entries(EXPECTED))('of %s are exactly its list', (role, expected) => {
    expect(lines(granted.get(`<${role}>`) ?? [])).toEqual([...new Set(expected)].sort());
  });

  it('belong to the listed roles only, and come from no policy outside the templates', () => {
    expect([...granted.keys()].sort()).toEqual(
      Object.keys(EXPECTED)
        .map((role) => `<${role}>`)
        .sort(),
    );
    for (const template of [stacks.state, stacks.workflow]) {
      for (const { Properties } of Object.values(resources(template, 'AWS::IAM::Role'))) {
        expect(Properties).not.toHaveProperty('ManagedPolicyArns');
        expect(Properties).not.toHaveProperty('Policies');
      }
    }
    expect(resources(stacks.state, 'AWS::IAM::Role')).toEqual({});
  });

  it('have no wildcard without a written reason', () => {
    const wildcards = [...granted.values()]
      .flat()
      .flatMap(({ actions, resources }) =>
        actions.flatMap((action) => resources.map((resource) => ({ action, resource }))),
      );
    for (const { action, resource } of wildcards) {
      expect(action).not.toContain('*');
      if (resource.includes('*'))
        expect(WILDCARD_REASONS).toHaveProperty([`${action.replace(/:.*/, ':')} on ${resource}`]);
    }
  });

  it('use customer keys only through a named service, and only with a declared secret', () => {
    for (const statement of [...granted.values()].flat()) {
      if (!statement.actions.some((action) => action.startsWith('kms:'))) continue;
      expect(statement.condition).toHaveProperty(['StringEquals', 'kms:ViaService']);
      if (statement.resources.includes(ANY_KEY)) {
        expect(statement.condition).toHaveProperty(['StringLike', 'kms:EncryptionContext:SecretARN']);
      }
    }
  });

  it('let nobody delete: no function removes a secret, a table, an item or a key', () => {
    const actions = [...granted.values()].flat().flatMap((statement) => statement.actions);
    expect(actions.filter((action) => /:(Delete|Remove|Schedule)/.test(action))).toEqual([
      'logs:DeleteLogDelivery',
      'logs:DeleteLogDelivery',
      'logs:DeleteLogDelivery',
    ]);
  });

  it('let the access keys of declared IAM users be made and ended, by those that do, and no others', async () => {
    const user = 'arn:<AWS::Partition>:iam::<AWS::AccountId>:user/deployer';
    const secrets = [declaration('deployer_key', { type: 'iam', provider: { user: 'deployer' } })];
    const { workflow } = await synthesise({ secrets });
    const keys = [...permissions(workflow)].flatMap(([role, statements]) =>
      lines(statements)
        .filter((line) => line.startsWith('iam:'))
        .map((line) => `${role} ${line}`),
    );
    const issue = on(user, ['iam:CreateAccessKey', 'iam:GetUser']);
    const end = on(user, [
      'iam:DeleteAccessKey',
      'iam:GetAccessKeyLastUsed',
      'iam:ListAccessKeys',
      'iam:UpdateAccessKey',
    ]);
    const expected = {
      Generate: [...issue, ...end],
      RotationContract: [...issue, ...end],
      ...Object.fromEntries(['RollBack', 'Retire', 'Recover'].map((name) => [name, end])),
    };
    expect(keys.sort()).toEqual(
      Object.entries(expected)
        .flatMap(([name, granted]) => granted.map((line) => `<Functions${name}Role> ${line}`))
        .sort(),
    );
  });

  it('cover what the code calls: a call that is new here needs its permission above', () => {
    expect(awsCalls()).toEqual({
      'shared/aws/dynamodb-registry.ts': ['GetItem', 'PutItem', 'Query', 'Scan', 'TransactWriteItems'],
      // Reading the chain (Query, Scan) is the CLI's, under its user's own permissions.
      'shared/aws/dynamodb-audit-trail.ts': ['GetItem', 'Query', 'Scan', 'TransactWriteItems'],
      'shared/aws/dynamodb-rollouts.ts': ['GetItem', 'PutItem', 'Query', 'UpdateItem'],
      'shared/aws/secrets-manager-store.ts': [
        'CreateSecret',
        'DescribeSecret',
        'GetSecretValue',
        'PutSecretValue',
        'UpdateSecretVersionStage',
      ],
      'shared/aws/sns-alert-publisher.ts': ['Publish'],
      'functions/rollout/task-tokens.ts': ['SendTaskSuccess'],
      'functions/start-retirement.ts': ['StartExecution'],
      'shared/rotators/iam/caller.ts': ['GetCallerIdentity'],
      'shared/rotators/iam/user-keys.ts': [
        'CreateAccessKey',
        'DeleteAccessKey',
        'GetAccessKeyLastUsed',
        'GetUser',
        'ListAccessKeys',
        'UpdateAccessKey',
      ],
    });
  });

  it('fit IAM when an environment has 150 secrets', async () => {
    const secrets = Array.from({ length: 150 }, (_, index) =>
      declaration(`services/payments-${index}/postgresql-main`, { adminSecret: 'pg_admin' }),
    );
    const { workflow } = await synthesise({ secrets });
    expect(Object.keys(resources(workflow, 'AWS::IAM::ManagedPolicy'))).not.toHaveLength(0);
    for (const { Properties } of Object.values(resources(workflow, 'AWS::IAM::ManagedPolicy'))) {
      expect(resolvedLength(Properties['PolicyDocument'])).toBeLessThanOrEqual(6144);
    }
    for (const { Properties } of Object.values(resources(workflow, 'AWS::IAM::Policy'))) {
      expect(resolvedLength(Properties['PolicyDocument'])).toBeLessThanOrEqual(10_240);
    }
    for (const { Properties } of Object.values(resources(workflow, 'AWS::IAM::Role'))) {
      expect((Properties['ManagedPolicyArns'] as unknown[] | undefined) ?? []).toSatisfy(
        (arns: unknown[]) => arns.length <= 10,
      );
    }
  }, 60_000);
});

/** Calls of the AWS SDK in the functions' code, file by file. */
function awsCalls(): Readonly<Record<string, readonly string[]>> {
  const root = join(import.meta.dirname, '../..');
  const files = ['shared', 'functions'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  );
  const calls = files
    // What speaks with OpenClaw runs beside it, under the permissions of its own user.
    .filter((file) => file.endsWith('.ts') && !file.startsWith('shared/openclaw/'))
    .map((file) => {
      const source = readFileSync(join(root, file), 'utf8');
      // As a command, or page by page.
      const calls = source.matchAll(/new (\w+)Command\(|\bpaginate(\w+)\(/g);
      const names = Array.from(calls, ([, command, paged]) => command ?? paged ?? '');
      return [file, [...new Set(names)].sort()] as const;
    });
  return Object.fromEntries(calls.filter(([, names]) => names.length > 0));
}

/** As IAM counts: without white space, references as long as what they stand for. */
function resolvedLength(document: unknown): number {
  return JSON.stringify(document)
    .replaceAll(/\{"Fn::Join":\["",\[(.*?)\]\]\}/g, (_, parts: string) => `"${parts.replaceAll(/[",]/g, '')}"`)
    .replaceAll('{Ref:AWS::Partition}', 'aws')
    .replaceAll('{Ref:AWS::Region}', 'ap-southeast-1')
    .replaceAll('{Ref:AWS::AccountId}', '111122223333').length;
}
