import { join } from 'node:path';
import { inject } from 'vitest';
import { type Deployment, openDeployment } from '../../../cli/deployment.ts';

/** What test/deployment.setup.ts has brought up, as the workers get it. */
export interface DeployedSystem {
  /** Credentials, region and endpoint of its cloud. */
  readonly environment: Readonly<Record<string, string>>;
  /** secrets.yaml, logs of the CDK, its assembly, what the queues held. */
  readonly directory: string;
  readonly cloudLogFile: string;
  readonly postgres: {
    readonly host: string;
    readonly port: number;
    readonly adminUser: string;
    readonly adminPassword: string;
    readonly logFile: string;
  };
  /** Every alert that goes to admins. */
  readonly alerts: { readonly url: string; readonly arn: string };
  /** Every event of the default bus. */
  readonly events: { readonly url: string; readonly arn: string };
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly deployed: DeployedSystem;
  }
}

export const system: DeployedSystem = inject('deployed');

// Here, not in the setup: the workers of other projects have another cloud. Before any client is made.
Object.assign(process.env, system.environment);

export const assembly = join(system.directory, 'cdk.out');

export const ENVIRONMENT = 'production';

let opened: Promise<Deployment> | undefined;

/** Registry, audit trail and the stacks' outputs, as `rekey` opens them. */
export function deployment(): Promise<Deployment> {
  opened ??= openDeployment(ENVIRONMENT);
  return opened;
}

/** One of the stacks' outputs. */
export async function output(name: string): Promise<string> {
  const value = (await deployment()).outputs[name];
  if (value === undefined) throw new Error(`The deployed stacks have no output ${name}.`);
  return value;
}
