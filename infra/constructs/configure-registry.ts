import { CustomResource, Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EnvironmentDeclaration } from '../../shared/config/declaration.ts';
import type { Bundle } from '../bundles.ts';
import type { RekeyFunction } from './rekey-function.ts';

/** A little more than Configure's own time, so that CloudFormation does not wait its default hour for a dead function. */
const SERVICE_TIMEOUT_SECONDS = 360;

export interface ConfigureRegistryProps {
  readonly configure: RekeyFunction;
  readonly declaration: EnvironmentDeclaration;
  /** Changes with Configure's code. */
  readonly version: string;
}

/** Runs Configure in every deployment that changes the declaration or Configure itself. */
export class ConfigureRegistry extends Construct {
  constructor(scope: Construct, id: string, props: ConfigureRegistryProps) {
    super(scope, id);
    const resource = new CustomResource(this, 'Resource', {
      resourceType: 'Custom::RekeyConfiguration',
      serviceToken: props.configure.function.functionArn,
      serviceTimeout: Duration.seconds(SERVICE_TIMEOUT_SECONDS),
      properties: { ConfigurationHash: sha256(JSON.stringify(props.declaration)), Version: props.version },
    });
    // The role's policies too: a function may be there before it may do anything.
    resource.node.addDependency(props.configure);
  }
}

/**
 * Configure's directory for one environment: the bundle, and the declaration beside it as `configuration.json`, which
 * no size limit of a custom resource or of environment variables touches.
 */
export async function withConfiguration(bundle: Bundle, declaration: EnvironmentDeclaration): Promise<Bundle> {
  const directory = `${bundle.directory}-${declaration.name}`;
  await rm(directory, { recursive: true, force: true });
  await cp(bundle.directory, directory, { recursive: true });
  await writeFile(join(directory, 'configuration.json'), JSON.stringify(declaration));
  return { ...bundle, directory };
}

/** A name for the code in a bundle's directory. */
export async function bundleVersion(bundle: Bundle): Promise<string> {
  const files = (await readdir(bundle.directory)).filter((file) => file.endsWith('.mjs')).sort();
  const contents = await Promise.all(files.map(async (file) => readFile(join(bundle.directory, file), 'utf8')));
  return sha256(contents.join('\0')).slice(0, 16);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
