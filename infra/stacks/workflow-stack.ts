/* oxlint-disable no-new -- a construct adds itself to the tree of its scope */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import { SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { EnvironmentDeclaration } from '../../shared/config/declaration.ts';
import type { Bundles, FunctionName } from '../bundles.ts';
import { Alarms } from '../constructs/alarms.ts';
import { ConfigureRegistry } from '../constructs/configure-registry.ts';
import { ConsumerEvents } from '../constructs/consumer-events.ts';
import { DeadLetterQueue } from '../constructs/dead-letter-queue.ts';
import { ManagedSecrets } from '../constructs/managed-secrets.ts';
import type { Network } from '../constructs/rekey-function.ts';
import { RotatedUsers } from '../constructs/rotated-users.ts';
import { rotationDispatch } from '../constructs/rotation-dispatch.ts';
import { secretRotation } from '../constructs/secret-rotation.ts';
import { Triggers } from '../constructs/triggers.ts';
import { versionRetirement } from '../constructs/version-retirement.ts';
import { WorkflowFunctions } from '../constructs/workflow-functions.ts';
import { WorkflowStateMachine } from '../constructs/workflow-state-machine.ts';
import type { NetworkSettings, Settings } from './settings.ts';
import type { StateStack } from './state-stack.ts';

export interface WorkflowStackProps extends StackProps {
  readonly declaration: EnvironmentDeclaration;
  readonly state: StateStack;
  readonly settings: Settings;
  readonly bundles: Bundles;
  /** Changes with Configure's code. */
  readonly configureVersion: string;
}

/** What does the work and keeps nothing: destroying and deploying it again loses no record. */
export class WorkflowStack extends Stack {
  constructor(scope: Construct, id: string, { declaration, state, settings, ...props }: WorkflowStackProps) {
    super(scope, id, props);
    const environment = declaration.name;
    const { key, alerts } = state;
    const undeliveredEvents = new DeadLetterQueue(this, 'UndeliveredEvents', { key });
    const undeliveredRecoveries = new DeadLetterQueue(this, 'UndeliveredRecoveries', { key });
    const functions = new WorkflowFunctions(this, 'Functions', {
      environment,
      bundles: props.bundles,
      key,
      registry: state.registry,
      auditTrail: state.auditTrail,
      consumers: state.consumers,
      alerts,
      secrets: new ManagedSecrets(this, 'Secrets', {
        secrets: declaration.secrets,
        adminSecretArns: settings.adminSecretArns,
      }),
      users: new RotatedUsers(this, 'Users', { secrets: declaration.secrets }),
      network: settings.vpc === undefined ? undefined : this.#network(settings.vpc),
      recoverDeadLetters: undeliveredRecoveries,
    });
    const functionArn = (name: FunctionName): string => functions.arn(name);

    const { stateMachine: retirement } = new WorkflowStateMachine(this, 'VersionRetirement', {
      environment,
      key,
      definition: versionRetirement({ functionArn }),
      invokes: (['retire', 'owed'] as const).map(functionArn),
    });
    const { stateMachine: rotation } = new WorkflowStateMachine(this, 'SecretRotation', {
      environment,
      key,
      definition: secretRotation({ functionArn, versionRetirementArn: retirement.stateMachineArn }),
      invokes: (
        ['generate', 'test', 'audit', 'release-batch', 'judge-batch', 'apply', 'notify', 'roll-back'] as const
      ).map(functionArn),
      starts: [retirement.stateMachineArn],
    });
    const { stateMachine: dispatch } = new WorkflowStateMachine(this, 'RotationDispatch', {
      environment,
      key,
      definition: rotationDispatch({ functionArn, secretRotationArn: rotation.stateMachineArn }),
      invokes: [functionArn('dispatch')],
      starts: [rotation.stateMachineArn],
      hasDistributedMap: true,
    });
    functions.enableRetirements(retirement.stateMachineArn);
    functions.enableTaskTokens(rotation.stateMachineArn);
    const unhandledAnswers = new DeadLetterQueue(this, 'UnhandledAnswers', { key });
    new ConsumerEvents(this, 'ConsumerEvents', {
      consumers: state.consumers,
      acknowledge: functions.get('acknowledge'),
      recordUse: functions.get('record-use'),
      key,
      deadLetters: unhandledAnswers,
    });

    new Triggers(this, 'Triggers', {
      environment,
      dispatchRateMinutes: settings.dispatchRate,
      rotationDispatch: dispatch,
      recoverable: [rotation, retirement],
      recover: functions.get('recover'),
      sweep: functions.get('sweep'),
      deadLetters: undeliveredEvents,
    });
    // https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets-required-permissions-function.html
    functions.get('rotation-contract').function.addPermission('SecretsManager', {
      principal: new ServicePrincipal('secretsmanager.amazonaws.com'),
      sourceAccount: this.account,
    });
    new Alarms(this, 'Alarms', {
      environment,
      alerts,
      dispatchRateMinutes: settings.dispatchRate,
      rotationDispatch: dispatch,
      secretRotation: rotation,
      versionRetirement: retirement,
      recover: functions.get('recover'),
      configure: functions.get('configure'),
      sweep: functions.get('sweep'),
      rotationContract: functions.get('rotation-contract'),
      undeliveredEvents,
      undeliveredRecoveries,
      unhandledAnswers,
    });
    new ConfigureRegistry(this, 'Configuration', {
      configure: functions.get('configure'),
      declaration,
      version: props.configureVersion,
    });

    // The CLI reads these; their names are part of its interface.
    new CfnOutput(this, 'DispatchArn', { value: dispatch.stateMachineArn });
    new CfnOutput(this, 'SecretRotationArn', { value: rotation.stateMachineArn });
    new CfnOutput(this, 'VersionRetirementArn', { value: retirement.stateMachineArn });
    new CfnOutput(this, 'ConfigureFunction', { value: functions.get('configure').function.functionName });
    new CfnOutput(this, 'ReloadFunction', { value: functions.get('reload').function.functionName });
    new CfnOutput(this, 'RevertFunction', { value: functions.get('revert').function.functionName });
    new CfnOutput(this, 'SettleDebtFunction', { value: functions.get('settle-debt').function.functionName });
    new CfnOutput(this, 'RotationFunctionArn', { value: functions.arn('rotation-contract') });
    new CfnOutput(this, 'EventBusName', { value: 'default' });
  }

  #network({ vpcId, subnetIds, availabilityZones, securityGroupIds }: NetworkSettings): Network {
    const vpc = Vpc.fromVpcAttributes(this, 'Vpc', { vpcId, availabilityZones, privateSubnetIds: subnetIds });
    return {
      vpc,
      subnets: vpc.privateSubnets,
      securityGroups: securityGroupIds.map((id) => SecurityGroup.fromSecurityGroupId(this, id, id, { mutable: false })),
    };
  }
}
