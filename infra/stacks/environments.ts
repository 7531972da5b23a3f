/* oxlint-disable no-new -- a construct adds itself to the tree of its scope */
import type { App } from 'aws-cdk-lib';
import type { Configuration } from '../../shared/config/declaration.ts';
import type { Bundles } from '../bundles.ts';
import { bundleVersion, withConfiguration } from '../constructs/configure-registry.ts';
import { type Settings, SettingsInvalid } from './settings.ts';
import { StateStack } from './state-stack.ts';
import { WorkflowStack } from './workflow-stack.ts';

/** Adds the pair of stacks of each chosen environment. Throws `SettingsInvalid` when the file does not have it. */
export async function addEnvironments(
  app: App,
  { configuration, settings, bundles }: { configuration: Configuration; settings: Settings; bundles: Bundles },
): Promise<void> {
  const wanted = settings.environment;
  const chosen = configuration.environments.filter(({ name }) => wanted === undefined || name === wanted);
  if (chosen.length === 0) {
    const names = configuration.environments.map(({ name }) => name).join(', ');
    throw new SettingsInvalid(`context environment: ${settings.config} has no "${wanted ?? ''}"; it has ${names}`);
  }
  const configureVersion = await bundleVersion(bundles.configure);
  for (const declaration of chosen) {
    const { name } = declaration;
    const state = new StateStack(app, `Rekey-${name}-State`, {
      description: `Rekey ${name}: what is known and what happened (retained)`,
      declaration,
    });
    new WorkflowStack(app, `Rekey-${name}-Workflow`, {
      description: `Rekey ${name}: what does the rotating (disposable)`,
      declaration,
      state,
      settings,
      bundles: { ...bundles, configure: await withConfiguration(bundles.configure, declaration) },
      configureVersion,
    });
  }
}
