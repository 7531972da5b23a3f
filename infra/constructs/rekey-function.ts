import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import type { ISecurityGroup, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2';
import { type IPrincipal, type IGrantable, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Bundle } from '../bundles.ts';
import { type EncryptionKey, functionLogPrefix } from './encryption-key.ts';

/** Where functions run that must reach private databases. */
export interface Network {
  readonly vpc: IVpc;
  readonly subnets: readonly ISubnet[];
  readonly securityGroups: readonly ISecurityGroup[];
}

export interface RekeyFunctionProps {
  readonly environment: string;
  readonly bundle: Bundle;
  /** What it does, for the console. */
  readonly description: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly key: EncryptionKey;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  readonly network: Network | undefined;
  /** Where asynchronous invocations go that failed for good. */
  readonly deadLetterQueue?: IQueue;
}

/** One function: arm64, Node 24, traced, JSON logs in a group of its own, and a role that may do nothing else yet. */
export class RekeyFunction extends Construct implements IGrantable {
  readonly function: LambdaFunction;
  readonly grantPrincipal: IPrincipal;
  readonly role: Role;

  constructor(scope: Construct, id: string, props: RekeyFunctionProps) {
    super(scope, id);
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `${functionLogPrefix(props.environment)}/${props.bundle.name}`,
      retention: RetentionDays.THREE_MONTHS,
      encryptionKey: props.key.key,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `Rekey ${props.environment}: ${props.bundle.name}`,
    });
    this.role = role;
    this.grantPrincipal = role.grantPrincipal;
    role.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );
    Validations.of(this).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason:
        props.network === undefined
          ? 'X-Ray has no resource-level permissions for PutTraceSegments and PutTelemetryRecords.'
          : 'X-Ray (PutTraceSegments, PutTelemetryRecords) and EC2 network interfaces of Lambda have no resource-level permissions.',
    });

    const { network } = props;
    if (network !== undefined) grantNetworkInterfaces(role);
    this.function = new LambdaFunction(this, 'Function', {
      description: props.description,
      code: Code.fromAsset(props.bundle.directory),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMegabytes,
      timeout: Duration.seconds(props.timeoutSeconds),
      tracing: Tracing.ACTIVE,
      loggingFormat: LoggingFormat.JSON,
      logGroup,
      role,
      environment: {
        REKEY_ENVIRONMENT: props.environment,
        ...props.variables,
        NODE_OPTIONS: '--enable-source-maps',
      },
      ...(props.deadLetterQueue === undefined ? {} : { deadLetterQueue: props.deadLetterQueue }),
      ...(network === undefined
        ? {}
        : {
            vpc: network.vpc,
            vpcSubnets: { subnets: [...network.subnets] },
            securityGroups: [...network.securityGroups],
          }),
    });
    if (props.deadLetterQueue !== undefined) props.key.grantUseVia('sqs', this);
  }
}

/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions */
function grantNetworkInterfaces(role: Role): void {
  role.addToPrincipalPolicy(
    new PolicyStatement({
      actions: [
        'ec2:AssignPrivateIpAddresses',
        'ec2:CreateNetworkInterface',
        'ec2:DeleteNetworkInterface',
        'ec2:DescribeNetworkInterfaces',
        'ec2:DescribeSubnets',
        'ec2:UnassignPrivateIpAddresses',
      ],
      resources: ['*'],
    }),
  );
}
