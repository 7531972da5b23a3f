import { besideFile, readConfigurationFile } from './configuration-file.ts';
import { ConfigurationInvalid } from './configuration-invalid.ts';
import type { Configuration } from './declaration.ts';
import { parseConfiguration } from './parse-configuration.ts';

/** The configuration in a file; throws `ConfigurationUnreadable` where there is none, `ConfigurationInvalid` for a wrong one. */
export function loadConfiguration(path: string): Configuration {
  const result = parseConfiguration({ path, bytes: readConfigurationFile(path) }, besideFile(path));
  if (!result.ok) throw new ConfigurationInvalid(result.problems);
  return result.configuration;
}
