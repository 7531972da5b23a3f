import { Policy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { type Bundles, FUNCTION_NAMES, type FunctionName } from '../bundles.ts';
import type { AlertTopic } from './alert-topic.ts';
import type { AuditTable } from './audit-table.ts';
import type { ConsumersTable } from './consumers-table.ts';
import type { DeadLetterQueue } from './dead-letter-queue.ts';
import type { EncryptionKey } from './encryption-key.ts';
import type { ManagedSecrets } from './managed-secrets.ts';
import type { RegistryTable } from './registry-table.ts';
import { type Network, RekeyFunction } from './rekey-function.ts';
import type { RotatedUsers } from './rotated-users.ts';

/** A phase's function; its task in the state machine waits a little longer. Pre-heating alone may take 30 s. */
export const PHASE_TIMEOUT_SECONDS = 60;
/** Configure asks Secrets Manager for each declared secret, Sweep goes through every ledger; Recover rolls back and tells people in one go. */
const LONG_TIMEOUT_SECONDS = 300;

interface Setting {
  readonly description: string;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  /** Connects to targets, which may be private. */
  readonly reachesTargets: boolean;
  readonly registry: 'none' | 'read' | 'write';
  /** Adds to the audit trail. */
  readonly appends: boolean;
  readonly alerts: boolean;
}

const WRITING = { timeoutSeconds: PHASE_TIMEOUT_SECONDS, registry: 'write', appends: true, alerts: false } as const;
const PHASE = { ...WRITING, memoryMegabytes: 512, reachesTargets: true } as const;
const BOOKS = { ...WRITING, memoryMegabytes: 256, reachesTargets: false } as const;

const SETTINGS: Readonly<Record<FunctionName, Setting>> = {
  dispatch: { ...BOOKS, appends: false, description: 'Says which rotations to start' },
  generate: { ...PHASE, description: 'Phase 1: makes the candidate, stores it, installs it at the target' },
  test: { ...PHASE, description: 'Phase 2: proves the candidate at the target' },
  audit: { ...BOOKS, description: 'Phase 3: writes down who, why and what was proved' },
  apply: { ...PHASE, description: 'Phase 4: moves AWSCURRENT to the candidate' },
  notify: { ...BOOKS, alerts: true, description: 'Phase 5: tells people, sets the next due time' },
  'release-batch': {
    ...BOOKS,
    registry: 'read',
    appends: false,
    description: 'Phase 4: hands the candidate to one batch of consumers',
  },
  'judge-batch': { ...BOOKS, appends: false, description: 'Phase 4: decides whether the rollout goes on' },
  acknowledge: { ...BOOKS, registry: 'none', appends: false, description: 'Counts the answers of consumers' },
  'record-use': { ...BOOKS, registry: 'none', description: 'Writes down what consumers did with secrets' },
  reload: { ...BOOKS, registry: 'read', description: 'Makes consumers take AWSCURRENT again' },
  revert: { ...PHASE, alerts: true, description: 'Makes the version before current again, on request' },
  'roll-back': { ...PHASE, description: 'Ends a rotation that cannot go on' },
  retire: { ...PHASE, description: 'Ends a replaced credential and proves it dead' },
  owed: { ...BOOKS, alerts: true, description: 'Tells people that a retirement is owed' },
  'settle-debt': {
    ...PHASE,
    description: 'Ends a debt by the word of a person, when its value is refused or not known',
  },
  recover: {
    ...PHASE,
    timeoutSeconds: LONG_TIMEOUT_SECONDS,
    alerts: true,
    description: 'Picks up what a failed execution left behind',
  },
  configure: {
    ...BOOKS,
    timeoutSeconds: LONG_TIMEOUT_SECONDS,
    description: 'Brings registry and Secrets Manager in step with the file',
  },
  sweep: {
    ...BOOKS,
    timeoutSeconds: LONG_TIMEOUT_SECONDS,
    description: 'Finds credentials that should not live any more, and has them ended',
  },
  'rotation-contract': {
    ...PHASE,
    alerts: true,
    description: "The four steps of Secrets Manager's own scheduler, over the same phases",
  },
};

export interface WorkflowFunctionsProps {
  readonly environment: string;
  readonly bundles: Bundles;
  readonly key: EncryptionKey;
  readonly registry: RegistryTable;
  readonly auditTrail: AuditTable;
  readonly consumers: ConsumersTable;
  readonly alerts: AlertTopic;
  readonly secrets: ManagedSecrets;
  readonly users: RotatedUsers;
  readonly network: Network | undefined;
  /** For asynchronous invocations of Recover. */
  readonly recoverDeadLetters: DeadLetterQueue;
}

/** Every function, with exactly the permissions its code uses. `test/infra/iam.test.ts` has the list. */
export class WorkflowFunctions extends Construct {
  readonly #functions: Readonly<Record<FunctionName, RekeyFunction>>;

  constructor(scope: Construct, id: string, props: WorkflowFunctionsProps) {
    super(scope, id);
    this.#functions = Object.fromEntries(
      FUNCTION_NAMES.map((name) => [name, this.#make(name, props)]),
    ) as unknown as Readonly<Record<FunctionName, RekeyFunction>>;
    this.#grantBooks(props);
    this.#grantConsumers(props.consumers);
    this.#grantSecrets(props.secrets);
    this.#grantUsers(props.users);
  }

  get(name: FunctionName): RekeyFunction {
    return this.#functions[name];
  }

  arn(name: FunctionName): string {
    return this.#functions[name].function.functionArn;
  }

  /** Lets those start retirements that do; the state machine comes after the functions it invokes. */
  enableRetirements(versionRetirementArn: string): void {
    for (const name of ['recover', 'revert', 'sweep', 'rotation-contract'] as const) {
      const starter = this.#functions[name];
      starter.function.addEnvironment('VERSION_RETIREMENT_ARN', versionRetirementArn);
      starter.grantPrincipal.addToPrincipalPolicy(
        new PolicyStatement({ actions: ['states:StartExecution'], resources: [versionRetirementArn] }),
      );
    }
  }

  /**
   * Lets the functions of a rollout wake the task that waits for a batch. A policy of its own: in the roles' own, the
   * functions would wait for the state machine that waits for them.
   */
  enableTaskTokens(secretRotationArn: string): void {
    const policy = new Policy(this, 'TaskTokens', {
      statements: [new PolicyStatement({ actions: ['states:SendTaskSuccess'], resources: [secretRotationArn] })],
    });
    for (const name of ['release-batch', 'acknowledge'] as const) this.#functions[name].role.attachInlinePolicy(policy);
  }

  #make(name: FunctionName, props: WorkflowFunctionsProps): RekeyFunction {
    const { description, timeoutSeconds, memoryMegabytes, reachesTargets, alerts } = SETTINGS[name];
    return new RekeyFunction(this, pascalCase(name), {
      environment: props.environment,
      bundle: props.bundles[name],
      description: `Rekey ${props.environment}: ${description}`,
      key: props.key,
      timeoutSeconds,
      memoryMegabytes,
      network: reachesTargets ? props.network : undefined,
      variables: {
        REGISTRY_TABLE: props.registry.table.tableName,
        AUDIT_TABLE: props.auditTrail.table.tableName,
        CONSUMERS_TABLE: props.consumers.table.tableName,
        ...(alerts ? { ALERT_TOPIC_ARN: props.alerts.topic.topicArn } : {}),
      },
      ...(name === 'recover' ? { deadLetterQueue: props.recoverDeadLetters.queue } : {}),
    });
  }

  #grantBooks({ registry, auditTrail, alerts }: WorkflowFunctionsProps): void {
    for (const name of FUNCTION_NAMES) {
      const { registry: access, appends, alerts: tells } = SETTINGS[name];
      if (access === 'read') registry.grantRead(this.get(name));
      if (access === 'write') registry.grantReadWrite(this.get(name));
      if (appends) auditTrail.grantAppend(this.get(name));
      if (tells) alerts.grantPublish(this.get(name));
    }
    for (const name of ['generate', 'rotation-contract'] as const) registry.grantArchive(this.get(name));
    registry.grantFindDue(this.get('dispatch'));
    for (const name of ['configure', 'sweep'] as const) registry.grantList(this.get(name));
  }

  #grantConsumers(consumers: ConsumersTable): void {
    const listers = [
      'generate',
      'audit',
      'release-batch',
      'judge-batch',
      'roll-back',
      'retire',
      'recover',
      'rotation-contract',
    ] as const;
    // Generate rolls back what a dead run left behind; Retire tells those who came late.
    const posters = [
      'generate',
      'release-batch',
      'apply',
      'roll-back',
      'retire',
      'recover',
      'reload',
      'revert',
      'rotation-contract',
    ] as const;
    for (const name of listers) consumers.grantList(this.get(name));
    for (const name of posters) consumers.grantPost(this.get(name));
    for (const name of ['release-batch', 'acknowledge'] as const) consumers.grantCount(this.get(name));
    for (const name of ['audit', 'acknowledge'] as const) consumers.grantReadNotice(this.get(name));
  }

  /** Access keys of the IAM users that are declared. Whoever may bring one in may also take it back. */
  #grantUsers(users: RotatedUsers): void {
    for (const name of ['generate', 'rotation-contract'] as const) users.grantIssue(this.get(name));
    const enders = ['generate', 'roll-back', 'retire', 'recover', 'rotation-contract'] as const;
    for (const name of enders) users.grantEnd(this.get(name));
  }

  #grantSecrets(secrets: ManagedSecrets): void {
    const readers = [
      'generate',
      'test',
      'apply',
      'roll-back',
      'retire',
      'recover',
      'revert',
      'settle-debt',
      'rotation-contract',
      'configure',
    ] as const;
    // Test compares what both can do, where only the administrator sees that.
    const administrators = [
      'generate',
      'test',
      'apply',
      'roll-back',
      'retire',
      'recover',
      'rotation-contract',
    ] as const;
    // Generate rolls back what a dead run left behind.
    const movers = ['generate', 'apply', 'roll-back', 'recover', 'revert', 'rotation-contract'] as const;
    for (const name of readers) secrets.grantRead(this.get(name));
    for (const name of administrators) secrets.grantReadAdmin(this.get(name));
    for (const name of movers) secrets.grantMoveStages(this.get(name));
    const describers = ['generate', 'reload', 'configure', 'sweep', 'rotation-contract'] as const;
    for (const name of describers) secrets.grantDescribe(this.get(name));
    for (const name of ['generate', 'rotation-contract'] as const) secrets.grantStore(this.get(name));
    secrets.grantCreate(this.get('configure'));
  }
}

function pascalCase(name: string): string {
  return name.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());
}
