import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { RekeyError } from '../../../shared/errors.ts';
import { type Mapping, parseMapping } from '../../../shared/openclaw/plan.ts';
import { type Aliases, parseAliases } from '../../../shared/openclaw/secret-reference.ts';
import { CommandFailure, EXIT_CODE } from '../../exit-code.ts';

export interface MappingOptions {
  readonly secret?: readonly string[];
  readonly mapping?: string;
  readonly aliasFile?: string;
}

/** `{ "prod/openai#api_key": "models.providers.openai.apiKey" }`, or a list of paths for one that is used in several places. */
const mappingSchema = z.record(z.string(), z.union([z.string(), z.array(z.string()).min(1)]));

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** What the command line and the mapping file say together. Throws `CommandFailure`. */
export function readMappings({ secret = [], mapping }: MappingOptions): readonly Mapping[] {
  return asUsage(() => [...(mapping === undefined ? [] : readMappingFile(mapping)), ...secret.map(parseMapping)]);
}

export function readAliasFile(file: string | undefined): Aliases {
  return asUsage(() => (file === undefined ? {} : parseAliases(textOf(file))));
}

function readMappingFile(file: string): readonly Mapping[] {
  let document: unknown;
  try {
    document = JSON.parse(textOf(file));
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(`${file} is not JSON.`, EXIT_CODE.usage);
  }
  const mappings = mappingSchema.safeParse(document);
  if (!mappings.success) {
    throw new CommandFailure(`${file} is not a JSON object of secrets and config paths.`, EXIT_CODE.usage);
  }
  return Object.entries(mappings.data).flatMap(([id, paths]) => [paths].flat().map((path) => ({ id, path })));
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CommandFailure(`${file} cannot be read.`, EXIT_CODE.usage, { cause });
  }
}

/** What the domain refuses here is what somebody wrote. */
export function asUsage<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof RekeyError) throw new CommandFailure(error.safeMessage, EXIT_CODE.usage, { cause: error });
    throw error;
  }
}
