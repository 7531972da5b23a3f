import { fieldOf } from './json-field.ts';
import { type ErrorCode, PROTOCOL_VERSION, type ResolveAnswer, type ResolveRequest } from './protocol.ts';
import { type Aliases, namesOf, parseReference } from './secret-reference.ts';
import type { SecretReading, SecretSource } from './secret-source.ts';
import type { ServeEntry } from './serve-file.ts';
import type { WitnessLine } from './witness.ts';

export interface ResolvePorts {
  readonly source: SecretSource;
  readonly aliases: Aliases;
  readonly serving: ReadonlyMap<string, ServeEntry>;
  readonly now: Date;
}

export interface Resolved {
  readonly answer: ResolveAnswer;
  readonly witness: Pick<WitnessLine, 'ids' | 'errors'>;
}

/**
 * Answers one batch: every secret is read once, whatever its fields; AWSCURRENT, or the version that is being rolled
 * out where `serving` names one. Never throws for an id: what fails is its code.
 */
export async function resolve({ ids }: ResolveRequest, ports: ResolvePorts): Promise<Resolved> {
  const wanted = ids.map((id) => ({ id, ...parseReference(id, ports.aliases) }));
  const readings = await readAll([...new Set(wanted.map(({ secretId }) => secretId))], ports);
  // Without a prototype: an id may be called "constructor".
  const values: Record<string, string> = Object.create(null);
  const errors: Record<string, { code: ErrorCode }> = Object.create(null);
  const versions: Record<string, string> = Object.create(null);
  const codes: Record<string, ErrorCode> = Object.create(null);
  for (const { id, secretId, field } of wanted) {
    const reading = readings.get(secretId) ?? { code: 'FAILED' };
    const outcome = 'code' in reading ? reading : valueOf(reading, field);
    if ('code' in outcome) {
      errors[id] = { code: outcome.code };
      codes[id] = outcome.code;
    } else {
      values[id] = outcome.value;
      versions[id] = outcome.versionId;
    }
  }
  return {
    answer: { protocolVersion: PROTOCOL_VERSION, values, errors },
    witness: { ids: versions, errors: codes },
  };
}

function valueOf({ text, versionId }: Exclude<SecretReading, { code: ErrorCode }>, field: string | undefined) {
  if (field === undefined) return { value: text, versionId };
  const outcome = fieldOf(text, field);
  return 'code' in outcome ? outcome : { value: outcome.value, versionId };
}

async function readAll(
  secretIds: readonly string[],
  { source, serving, now }: ResolvePorts,
): Promise<ReadonlyMap<string, SecretReading>> {
  const served = new Map<string, SecretReading>();
  await Promise.all(
    secretIds.map(async (secretId) => {
      const entry = namesOf(secretId)
        .map((name) => serving.get(name))
        .find((one) => one !== undefined);
      if (entry === undefined || entry.expiresAt <= now) return;
      const reading = await source.version(secretId, entry.versionId);
      if (isServed(reading)) served.set(secretId, reading);
    }),
  );
  const rest = secretIds.filter((secretId) => !served.has(secretId));
  return new Map([...served, ...(rest.length === 0 ? [] : await source.current(rest))]);
}

/**
 * A candidate is AWSPENDING until it is AWSCURRENT. One that has neither label was taken back, and one that is
 * AWSPREVIOUS has been replaced: then the entry has been left behind, and AWSCURRENT counts. A fault is not a verdict:
 * then there is no value, and OpenClaw keeps the one it has.
 */
function isServed(reading: SecretReading): boolean {
  if ('code' in reading) return reading.code !== 'NOT_FOUND';
  const { stages } = reading;
  return stages.includes('AWSCURRENT') || (stages.includes('AWSPENDING') && !stages.includes('AWSPREVIOUS'));
}
