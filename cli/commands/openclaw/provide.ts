import { readFileSync } from 'node:fs';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { RekeyError } from '../../../shared/errors.ts';
import { RequestRefused } from '../../../shared/openclaw/errors.ts';
import { MAX_REQUEST_BYTES, PROTOCOL_VERSION, parseRequest } from '../../../shared/openclaw/protocol.ts';
import { resolve } from '../../../shared/openclaw/resolve.ts';
import { type Aliases, parseAliases } from '../../../shared/openclaw/secret-reference.ts';
import type { SecretSource } from '../../../shared/openclaw/secret-source.ts';
import { SecretsManagerSource } from '../../../shared/openclaw/secrets-manager-source.ts';
import { ServeFile } from '../../../shared/openclaw/serve-file.ts';
import { appendWitness } from '../../../shared/openclaw/witness.ts';
import { EXIT_CODE } from '../../exit-code.ts';

/** Everything together, counted from the start of the process: OpenClaw's own limit is 5 s by default. */
const BUDGET_MILLISECONDS = 3_800;
const CONNECT_MILLISECONDS = 1_000;
/** Of one attempt: a second one fits into the budget. */
const REQUEST_MILLISECONDS = 1_700;
const ATTEMPTS = 3;

export interface ProvideOptions {
  readonly witness?: string | undefined;
  readonly serveFile?: string | undefined;
  readonly aliasFile?: string | undefined;
}

export interface Provided {
  /** One line of JSON, always. */
  readonly stdout: string;
  /** One sentence, where there is one to say. */
  readonly stderr?: string;
  readonly exitCode: number;
}

interface Dependencies {
  readonly input: AsyncIterable<Uint8Array>;
  readonly environment: NodeJS.ProcessEnv;
  readonly now?: () => Date;
  readonly parent?: number;
  /** How long this process has been running. */
  readonly elapsedMilliseconds?: number;
  readonly source?: (signal: AbortSignal) => SecretSource;
}

/**
 * OpenClaw's exec protocol, one batch: the request from `input`, the answer as text. Never throws, and says nothing of a
 * fault but what Rekey wrote itself. A request that cannot be understood ends with exit code 2, aliases that cannot with 3.
 */
export async function provide(options: ProvideOptions, dependencies: Dependencies): Promise<Provided> {
  const { input, environment, now = () => new Date(), parent = process.ppid } = dependencies;
  const elapsed = dependencies.elapsedMilliseconds ?? performance.now();
  const signal = AbortSignal.timeout(Math.max(1, BUDGET_MILLISECONDS - Math.round(elapsed)));
  try {
    const bytes = await readInput(input, signal);
    const at = now();
    const request = parseRequest(bytes);
    const { answer, witness } = await resolve(request, {
      source: (dependencies.source ?? awsSource)(signal),
      aliases: readAliases(options.aliasFile, environment),
      serving: options.serveFile === undefined ? new Map() : new ServeFile(options.serveFile).read(),
      now: at,
    });
    const note = options.witness === undefined ? undefined : witnessed(options.witness, { at, parent, ...witness });
    return {
      stdout: `${JSON.stringify(answer)}\n`,
      exitCode: EXIT_CODE.ok,
      ...(note === undefined ? {} : { stderr: note }),
    };
  } catch (error) {
    return refusal(error);
  }
}

async function readInput(input: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const { promise: over, reject } = Promise.withResolvers<never>();
  const end = () => reject(new RequestRefused('The request did not end in time.'));
  signal.addEventListener('abort', end, { once: true });
  const read = async () => {
    for await (const chunk of input) {
      bytes += chunk.byteLength;
      // One byte more than allowed is enough to refuse it.
      if (bytes > MAX_REQUEST_BYTES) return;
      chunks.push(chunk);
    }
  };
  try {
    await Promise.race([read(), over]);
  } finally {
    signal.removeEventListener('abort', end);
  }
  if (bytes > MAX_REQUEST_BYTES) throw new RequestRefused('The request is larger than 256 KiB.');
  return Buffer.concat(chunks);
}

function readAliases(file: string | undefined, environment: NodeJS.ProcessEnv): Aliases {
  const inline = environment['REKEY_ALIASES'];
  if (file === undefined) return inline === undefined || inline === '' ? {} : parseAliases(inline);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AliasesUnreadable('The file of aliases cannot be read.', { cause });
  }
  return parseAliases(text);
}

class AliasesUnreadable extends RekeyError {
  override readonly name = 'AliasesUnreadable';
  readonly code = 'REKEY_OPENCLAW_ALIASES';
}

function awsSource(signal: AbortSignal): SecretSource {
  const client = new SecretsManagerClient({
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_MILLISECONDS,
      requestTimeout: REQUEST_MILLISECONDS,
      throwOnRequestTimeout: true,
    },
  });
  return new SecretsManagerSource(client, signal);
}

/** Without a witness the values are right all the same; only the reload hook will not believe it. */
function witnessed(path: string, line: Parameters<typeof appendWitness>[1]): string | undefined {
  try {
    appendWitness(path, line);
    return undefined;
  } catch {
    return 'rekey resolve: the witness file cannot be written.';
  }
}

function refusal(error: unknown): Provided {
  const isRequest = error instanceof RequestRefused;
  const code = error instanceof RekeyError ? error.code : 'REKEY_INTERNAL';
  const sentence = error instanceof RekeyError ? error.safeMessage : 'An unexpected fault.';
  return {
    stdout: `${JSON.stringify({ protocolVersion: PROTOCOL_VERSION, values: {}, error: { code } })}\n`,
    stderr: `rekey resolve: ${sentence} (${code})`,
    exitCode: isRequest ? EXIT_CODE.usage : EXIT_CODE.environment,
  };
}
