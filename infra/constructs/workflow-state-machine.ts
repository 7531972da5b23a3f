import { ArnFormat, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Policy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { DefinitionBody, LogLevel, StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { acknowledgeWildcard } from './acknowledge-wildcard.ts';
import type { StateMachineDefinition } from './asl.ts';
import { type EncryptionKey, stateMachineLogPrefix } from './encryption-key.ts';

export interface WorkflowStateMachineProps {
  readonly environment: string;
  readonly key: EncryptionKey;
  readonly definition: StateMachineDefinition;
  readonly invokes: readonly string[];
  readonly starts?: readonly string[];
  /** It has a distributed map, which runs its items as executions of the machine itself. */
  readonly hasDistributedMap?: boolean;
}

/** A Standard state machine whose role may invoke and start exactly what its definition names. */
export class WorkflowStateMachine extends Construct {
  readonly stateMachine: StateMachine;

  constructor(scope: Construct, id: string, props: WorkflowStateMachineProps) {
    super(scope, id);
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('states.amazonaws.com'),
      description: `Rekey ${props.environment}: ${id}`,
    });
    const allow = (actions: string[], resources: readonly string[]): void => {
      if (resources.length > 0) role.addToPrincipalPolicy(new PolicyStatement({ actions, resources: [...resources] }));
    };
    allow(['lambda:InvokeFunction'], props.invokes);
    allow(['states:StartExecution'], props.starts ?? []);
    Validations.of(this).acknowledge(
      {
        id: 'AwsSolutions-IAM5[Resource::*]',
        reason: 'Neither X-Ray nor the log delivery API of CloudWatch Logs has resource-level permissions.',
      },
      {
        id: 'AwsSolutions-SF1',
        reason:
          'Errors only: the history of every execution is kept by Step Functions, the evidence in the audit trail.',
      },
    );

    this.stateMachine = new StateMachine(this, 'StateMachine', {
      definitionBody: DefinitionBody.fromString(Stack.of(this).toJsonString(props.definition)),
      stateMachineType: StateMachineType.STANDARD,
      role,
      tracingEnabled: true,
      logs: {
        destination: new LogGroup(this, 'Logs', {
          logGroupName: `${stateMachineLogPrefix(props.environment)}/${id}`,
          retention: RetentionDays.THREE_MONTHS,
          encryptionKey: props.key.key,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
        level: LogLevel.ERROR,
        includeExecutionData: false,
      },
    });
    if (props.hasDistributedMap === true) this.#allowMapRuns(role);
  }

  /** A policy of its own: the machine depends on its role's policy, which therefore cannot name the machine. */
  #allowMapRuns(role: Role): void {
    // https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    const { stateMachineArn, stateMachineName } = this.stateMachine;
    const executions = ['/*', ':*'].map((suffix) =>
      Stack.of(this).formatArn({
        service: 'states',
        resource: 'execution',
        resourceName: `${stateMachineName}${suffix}`,
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      }),
    );
    const policy = new Policy(this, 'MapRuns', {
      roles: [role],
      statements: [
        new PolicyStatement({ actions: ['states:StartExecution'], resources: [stateMachineArn] }),
        new PolicyStatement({ actions: ['states:DescribeExecution', 'states:StopExecution'], resources: executions }),
      ],
    });
    for (const resource of executions)
      acknowledgeWildcard(policy, resource, 'Executions of this one machine: map runs.');
  }
}
