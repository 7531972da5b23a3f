import { App } from 'aws-cdk-lib';
import { join } from 'node:path';
import { loadConfiguration } from '../shared/config/load-configuration.ts';
import { RekeyError } from '../shared/errors.ts';
import { bundleFunctions } from './bundles.ts';
import { addEnvironments } from './stacks/environments.ts';
import { readSettings } from './stacks/settings.ts';

try {
  // CDK's template validation takes 5 s a synth; test/infra/templates.test.ts runs it, and cdk-nag.
  const app = new App({ autoSynth: false, builtinCloudFormationValidation: false });
  const settings = readSettings(app.node);
  const configuration = loadConfiguration(settings.config);
  const bundles = await bundleFunctions(join(app.outdir, 'bundles'));
  await addEnvironments(app, { configuration, settings, bundles });
  app.synth();
} catch (error) {
  if (!(error instanceof RekeyError)) throw error;
  // What is wrong with the person's input, a line each. A wrong file never deploys: CDK stops at this exit code.
  process.stderr.write(`${error.safeMessage}\n`);
  process.exitCode = 1;
}
