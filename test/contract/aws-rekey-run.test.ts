import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DeleteTableCommand, DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DynamoDbRollouts } from '../../shared/aws/dynamodb-rollouts.ts';
import { createConsumersTable } from '../harness/tables.ts';

const REKEY = fileURLToPath(new URL('../../cli/rekey.ts', import.meta.url));
const CANARY = 'c4n4ry-91d2e7';
const SECRET = `run/${crypto.randomUUID()}`;

/** Prints the end of its value; ends at once where that is `-bad`. */
const SERVER = `
  console.log('up ' + process.env.TOKEN.split('-').at(-1));
  if (process.env.TOKEN.endsWith('-bad')) process.exit(4);
  setInterval(() => {}, 1000);
`;

const dynamoDb = new DynamoDBClient({});
const secretsManager = new SecretsManagerClient({});
let table: string;
let rollouts: DynamoDbRollouts;

beforeEach(async () => {
  table = await createConsumersTable(dynamoDb);
  rollouts = new DynamoDbRollouts(dynamoDb, table);
});
afterEach(async () => {
  await dynamoDb.send(new DeleteTableCommand({ TableName: table }));
});

describe('rekey run on the real table', () => {
  it('takes the candidate, acknowledges it, refuses a bad one, and signs off', async () => {
    const first = crypto.randomUUID();
    const text = (version: string) => `${CANARY}-${version}`;
    await secretsManager.send(
      new CreateSecretCommand({ Name: SECRET, SecretString: text('one'), ClientRequestToken: first }),
    );
    const run = startRun();
    try {
      await run.printed('up one');
      await expect.poll(() => holds(), { timeout: 20_000 }).toEqual([[first]]);

      const good = await rollOut(text('two'), 1);
      await run.printed('up two');
      await expect.poll(() => outcomes(good), { timeout: 20_000 }).toEqual(['acknowledged: ']);
      await expect.poll(() => holds(), { timeout: 20_000 }).toEqual([[good]]);

      const bad = await rollOut(text('bad'), 2);
      await run.printed('up bad');
      await expect
        .poll(() => outcomes(bad), { timeout: 20_000 })
        .toEqual(['refused: ReloadFailed: The command ended with exit code 4.']);
      await expect.poll(() => holds(), { timeout: 20_000 }).toEqual([[good]]);
      expect(run.lines).toEqual(['up one', 'up two', 'up bad', 'up two']);

      run.kill('SIGTERM');
      expect(await run.exit).toBe(143);
      expect(await rollouts.consumers(SECRET)).toEqual([]);
      const { Items } = await dynamoDb.send(new ScanCommand({ TableName: table }));
      expect(JSON.stringify(Items)).not.toContain(CANARY);
      expect(run.output()).not.toContain(CANARY);
    } finally {
      run.kill('SIGKILL');
    }
  }, 120_000);

  it('says which secret it may not or cannot read, with exit code 3', async () => {
    const run = startRun(`missing-${crypto.randomUUID()}`);
    expect(await run.exit).toBe(3);
    expect(run.output()).toMatch(/The secret "missing-[^"]+" does not exist here, or has no current value\./);
  }, 60_000);

  it('ends with exit code 3 when AWS does not answer', async () => {
    const run = startRun(SECRET, { AWS_ENDPOINT_URL: 'http://127.0.0.1:9' });
    expect(await run.exit).toBe(3);
    expect(run.output()).toMatch(new RegExp(`AWS did not answer .*"${SECRET}"`));
  }, 60_000);
});

async function rollOut(text: string, sequence: number): Promise<string> {
  const rotationId = crypto.randomUUID();
  await secretsManager.send(
    new PutSecretValueCommand({
      SecretId: SECRET,
      SecretString: text,
      ClientRequestToken: rotationId,
      VersionStages: ['AWSPENDING'],
    }),
  );
  const notice = { secretId: SECRET, sequence, rotationId, versionId: rotationId };
  expect(await rollouts.post({ ...notice, state: 'rolling', bounds: ['f'.repeat(16)], released: 1 })).toBe('posted');
  return rotationId;
}

async function holds(): Promise<readonly (readonly string[])[]> {
  return (await rollouts.consumers(SECRET)).map((consumer) => consumer.holds);
}

async function outcomes(rotationId: string): Promise<readonly string[]> {
  return (await rollouts.answers(SECRET, rotationId)).map(({ outcome, said }) => `${outcome}: ${said}`);
}

function startRun(secret = SECRET, variables: Readonly<Record<string, string>> = {}) {
  const words = ['run', '--secret', `${secret}=TOKEN`, '--agent', 'tester', '--', process.execPath, '-e', SERVER];
  const child = spawn(process.execPath, [REKEY, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, REKEY_CONSUMERS_TABLE: table, ...variables },
  });
  const lines: string[] = [];
  const notes: string[] = [];
  let wake = (): void => undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    wake();
  });
  createInterface({ input: child.stderr }).on('line', (line) => notes.push(line));
  let isOver = false;
  const exit = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      isOver = true;
      wake();
      resolve(code);
    });
  });
  const output = (): string => [...lines, ...notes].join('\n');
  return {
    lines,
    output,
    exit,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    async printed(line: string): Promise<void> {
      while (!lines.includes(line)) {
        if (isOver) throw new Error(`It ended before "${line}".\n${output()}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
