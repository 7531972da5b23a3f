import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AlertSubscription, SecretDeclaration } from '../../../shared/config/declaration.ts';
import { type Bundles, FUNCTION_NAMES } from '../../../infra/bundles.ts';
import { addEnvironments } from '../../../infra/stacks/environments.ts';
import { readSettings } from '../../../infra/stacks/settings.ts';
import { StateStack } from '../../../infra/stacks/state-stack.ts';
import { WorkflowStack } from '../../../infra/stacks/workflow-stack.ts';
import { declaration as anyDeclaration } from '../../harness/rotation-world.ts';
import { temporaryDirectory } from './temporary.ts';

export interface Synthesised {
  readonly app: App;
  readonly stateStack: StateStack;
  readonly workflowStack: WorkflowStack;
  readonly state: Template;
  readonly workflow: Template;
}

/** The same as a deployment has. */
const FEATURE_FLAGS = (
  JSON.parse(readFileSync(join(import.meta.dirname, '../../../cdk.json'), 'utf8')) as {
    context: Record<string, unknown>;
  }
).context;

export const ADMIN_ARN = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:rds/master-AbCdEf';

export const SECRETS: readonly SecretDeclaration[] = [
  declaration('pg_prod_main', { adminSecret: 'pg_admin' }),
  declaration('pg_prod_backup', { adminSecret: ADMIN_ARN }),
];

export const ALERTS: readonly AlertSubscription[] = [
  { protocol: 'email', endpoint: 'security@example.com', kinds: [] },
  {
    protocol: 'sqs',
    endpoint: 'arn:aws:sqs:eu-west-1:111122223333:rekey-alerts',
    kinds: ['rotation_failed', 'retirement_owed'],
  },
  { protocol: 'https', endpoint: 'https://example.com/hooks/rekey', kinds: [] },
];

export function declaration(name: string, rest: Partial<SecretDeclaration> = {}): SecretDeclaration {
  return anyDeclaration({ name, endSessions: false, ...rest });
}

/** Both stacks of one environment over stand-in bundles: templates do not depend on what the functions do. */
export async function synthesise(
  options: {
    readonly context?: Readonly<Record<string, unknown>>;
    readonly secrets?: readonly SecretDeclaration[];
    readonly alerts?: readonly AlertSubscription[];
    /** CDK's own check of the templates: some seconds. */
    readonly validated?: boolean;
  } = {},
): Promise<Synthesised> {
  const app = new App({
    outdir: temporaryDirectory('rekey-synth-'),
    builtinCloudFormationValidation: options.validated ?? false,
    context: { ...FEATURE_FLAGS, ...options.context },
  });
  const { secrets = SECRETS, alerts = ALERTS } = options;
  await addEnvironments(app, {
    configuration: { environments: [{ name: 'production', secrets, alerts }] },
    settings: readSettings(app.node),
    bundles: standInBundles(),
  });
  const stateStack = app.node.findChild('Rekey-production-State') as StateStack;
  const workflowStack = app.node.findChild('Rekey-production-Workflow') as WorkflowStack;
  return {
    app,
    stateStack,
    workflowStack,
    state: Template.fromStack(stateStack),
    workflow: Template.fromStack(workflowStack),
  };
}

function standInBundles(): Bundles {
  const root = temporaryDirectory('rekey-bundles-');
  const bundles = FUNCTION_NAMES.map((name) => {
    const directory = join(root, name);
    mkdirSync(directory);
    writeFileSync(join(directory, 'index.mjs'), `export const handler = async () => '${name}';\n`);
    return [name, { name, directory, bytes: 0, files: ['index.mjs'] }] as const;
  });
  return Object.fromEntries(bundles) as unknown as Bundles;
}
