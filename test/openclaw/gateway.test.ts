import { spawn } from 'node:child_process';
import { DeleteTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
  PutSecretValueCommand,
} from '@aws-sdk/client-secrets-manager';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installProvider, type ProviderFiles } from '../../cli/commands/openclaw/install.ts';
import { DynamoDbRollouts } from '../../shared/aws/dynamodb-rollouts.ts';
import { systemClock } from '../../shared/clock.ts';
import { ReloadUnproven } from '../../shared/openclaw/errors.ts';
import { type Candidate, OpenClawFollower } from '../../shared/openclaw/follower.ts';
import { OpenClawCommand } from '../../shared/openclaw/gateway-rpc.ts';
import { makePlan } from '../../shared/openclaw/plan.ts';
import { reloadOpenClaw } from '../../shared/openclaw/reload.ts';
import { ServeFile } from '../../shared/openclaw/serve-file.ts';
import { readWitness } from '../../shared/openclaw/witness.ts';
import type { Answer } from '../../shared/rollout/consumer.ts';
import { createConsumersTable } from '../harness/tables.ts';
import { Gateway, temporaryLeftovers } from './support/gateway.ts';
import { type InstalledOpenClaw, installedOpenClaw } from './support/installed-openclaw.ts';
import { ModelServer } from './support/model-server.ts';

const secretsManager = new SecretsManagerClient({});
const secretId = `prod/openai-${crypto.randomUUID().slice(0, 8)}`;
const id = `${secretId}#api_key`;

/** The tests of this file follow on each other, like a gateway's life: starting one takes 10 to 40 s. */
describe('a gateway of OpenClaw', () => {
  const model = new ModelServer();
  let leftovers: { readonly remove: () => void };
  let directory: string;
  let openClaw: InstalledOpenClaw;
  let files: ProviderFiles;
  let provider: string;
  let gateway: Gateway;
  let follower: { readonly prove: (versionId: string) => Promise<unknown> };
  let held: string;

  beforeAll(async () => {
    openClaw = await installedOpenClaw();
    leftovers = temporaryLeftovers();
    directory = mkdtempSync(join(tmpdir(), 'rekey-openclaw-'));
    const modelUrl = await model.start();
    held = await putVersion('key-1', 'create');
    mkdirSync(join(directory, 'provider'), { mode: 0o700 });
    files = installProvider(join(directory, 'provider'), undefined);
    provider = readFileSync(files.command, 'utf8');

    const cloud = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('AWS_')));
    gateway = new Gateway({ directory, openClaw, cloud });
    await gateway.configure(modelUrl);
    const mappings = [{ id, path: 'models.providers.local.apiKey' }];
    const plan = makePlan({ provider: 'rekey', command: files.command, mappings, aliases: {} });
    // One test makes the provider wait.
    Object.assign(plan.providerUpserts['rekey'] ?? {}, { timeoutMs: 100_000, noOutputTimeoutMs: 100_000 });
    writeFileSync(join(directory, 'plan.json'), JSON.stringify(plan));
    const applied = await gateway.openClaw('secrets', 'apply', '--from', join(directory, 'plan.json'), '--allow-exec');
    expect(applied).toMatchObject({ exitCode: 0 });
    await gateway.start();
    follower = follow();
  });

  afterAll(async () => {
    await gateway?.stop();
    await model.stop();
    leftovers?.remove();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  it('takes the plan, and its first turn uses AWSCURRENT', async () => {
    const settings = readFileSync(join(directory, 'home/.openclaw/openclaw.json'), 'utf8');
    expect(settings).toContain(id);
    expect(settings).not.toContain('key-1');
    expect(await gateway.turn()).toBe(200);
    expect(model.keys).toContain('key-1');
  });

  it('takes the candidate before it is AWSCURRENT, without a restart and without a failed turn', async () => {
    const { pid } = gateway;
    const candidate = await putVersion('key-2', 'AWSPENDING');
    const over = new AbortController();
    const turns = turnsUntil(over.signal);

    await follower.prove(candidate);
    held = candidate;
    // A turn that is under way may still use the old key: what the grace period is for.
    over.abort();
    expect([...new Set(await turns)]).toEqual([200]);
    await promote(candidate);
    model.revoked.add('key-1');

    expect(await gateway.turn()).toBe(200);
    expect(model.keys.at(-1)).toBe('key-2');
    expect(gateway.pid).toBe(pid);
    expect(await currentVersion()).toBe(candidate);
  });

  it('keeps the old key when the provider fails, and the candidate is refused', async () => {
    const candidate = await putVersion('key-3', 'AWSPENDING');
    replaceProvider('#!/bin/sh\nexit 1\n');
    await expect(follower.prove(candidate)).rejects.toThrow(ReloadUnproven);
    expect(await gateway.turn()).toBe(200);
    expect(model.keys.at(-1)).toBe('key-2');
    replaceProvider(provider);
  });

  it('ends with the new key although a reload that had read the old one was running', async () => {
    const candidate = await putVersion('key-4', 'AWSPENDING');
    // Answers as it would, but not before it is let: what it has read by then is old.
    const hold = join(directory, 'provider', 'hold.mjs');
    const held = `${hold}.held`;
    writeFileSync(held, '');
    writeFileSync(
      hold,
      `import { existsSync } from 'node:fs';
      const write = process.stdout.write.bind(process.stdout);
      process.stdout.write = (text, done) => {
        const look = () => (existsSync(${JSON.stringify(held)}) ? setTimeout(look, 50) : write(text, done));
        return look();
      };`,
    );
    replaceProvider(provider.replace("'--disable-warning", `'--import=${hold}' '--disable-warning`));
    const start = new Date();
    const running = gateway.openClaw('secrets', 'reload', '--json');
    while (readWitness(files.witnessFile, start).length === 0) await systemClock.sleep(50);

    const proving = follower.prove(candidate);
    // What is asked for after the reload, and answered, shows that the gateway has heard of the reload.
    for (let asked = 0; asked < 2; asked += 1) await gateway.openClaw('gateway', 'call', 'status', '--json');
    rmSync(held);
    expect(await proving).toMatchObject({ attempts: expect.toSatisfy((many) => many > 1) });
    expect(await running).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('"warningCount": 0') });
    expect(await gateway.turn()).toBe(200);
    expect(model.keys.at(-1)).toBe('key-4');
    replaceProvider(provider);
  });

  it('is carried through a rollout by `rekey openclaw follow`', { timeout: 240_000 }, async () => {
    await promote(await versionInUse());
    const dynamoDb = new DynamoDBClient({});
    const table = await createConsumersTable(dynamoDb);
    const rollouts = new DynamoDbRollouts(dynamoDb, table);
    const words = ['--directory', files.directory, '--id', id, '--url', gateway.url, '--openclaw', openClaw.program];
    const follower = spawn(process.execPath, ['cli/rekey.ts', 'openclaw', 'follow', ...words], {
      env: { ...process.env, ...gateway.environment, REKEY_CONSUMERS_TABLE: table },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const ended = new Promise((done) => follower.once('exit', done));
      const said = await Promise.race([new Promise((done) => follower.stdout.once('data', done)), ended]);
      expect(String(said)).toMatch(/^Following prod\/openai-/);

      const candidate = await putVersion('key-5', 'AWSPENDING');
      const about = { secretId, rotationId: candidate, versionId: candidate };
      await rollouts.post({ ...about, sequence: 1, state: 'rolling', bounds: ['f'.repeat(16)], released: 1 });
      let answers: readonly Answer[] = [];
      while (answers.length === 0) {
        await systemClock.sleep(250);
        answers = await rollouts.answers(secretId, candidate);
      }
      expect(answers).toMatchObject([{ outcome: 'acknowledged', agent: 'openclaw', versionId: candidate, said: '' }]);
      expect(await gateway.turn()).toBe(200);
      expect(model.keys.at(-1)).toBe('key-5');

      await promote(candidate);
      await rollouts.post({ ...about, sequence: 2, state: 'settled', bounds: [], released: 0 });
      follower.kill('SIGTERM');
      expect(await ended).toBe(0);
      expect(new ServeFile(files.serveFile).read().size).toBe(0);
      expect(await rollouts.consumers(secretId)).toEqual([]);
    } finally {
      follower.kill('SIGKILL');
      await dynamoDb.send(new DeleteTableCommand({ TableName: table }));
    }
  });

  it('never wrote a key beside its memory', async () => {
    const written = [gateway.log, readFileSync(files.witnessFile, 'utf8'), readFileSync(files.serveFile, 'utf8')];
    for (const text of written) expect(text).not.toMatch(/key-\d/);
  });

  /** A follower whose rollouts the test conducts; `prove` answers what the last reload did. */
  function follow() {
    const url = gateway.url;
    const { token } = gateway;
    const rpc = new OpenClawCommand({
      url,
      token,
      command: [process.execPath, openClaw.program],
      environment: gateway.environment,
    });
    let check: ((candidate: Candidate, context: { readonly signal: AbortSignal }) => unknown) | undefined;
    let outcome: unknown;
    const started = new OpenClawFollower({
      secrets: {
        onReload: (_, prove) => (check = prove),
        health: () => ({ [secretId]: { versionId: held } }),
      },
      idsBySecret: new Map([[secretId, [id]]]),
      serveFile: new ServeFile(files.serveFile),
      reload: async (expected) => {
        const { witnessFile, lockFile } = files;
        outcome = await reloadOpenClaw({
          url,
          token,
          rpc,
          expect: expected,
          witnessFile,
          lockFile,
          timeoutSeconds: 120,
        });
      },
      clock: systemClock,
      note: () => undefined,
    });
    return {
      start: () => started.start(),
      prove: async (versionId: string) => {
        await check?.({ name: secretId, versionId }, { signal: new AbortController().signal });
        return outcome;
      },
    };
  }

  async function turnsUntil(signal: AbortSignal): Promise<readonly number[]> {
    const statuses: number[] = [];
    while (!signal.aborted) statuses.push(await gateway.turn());
    return statuses;
  }

  async function versionInUse(): Promise<string> {
    return readWitness(files.witnessFile, new Date(0)).at(-1)?.ids[id] ?? '';
  }

  function replaceProvider(script: string): void {
    writeFileSync(files.command, script);
    chmodSync(files.command, 0o700);
  }
});

async function putVersion(key: string, how: 'create' | 'AWSPENDING'): Promise<string> {
  const SecretString = JSON.stringify({ api_key: key });
  const { VersionId = '' } =
    how === 'create'
      ? await secretsManager.send(new CreateSecretCommand({ Name: secretId, SecretString }))
      : await secretsManager.send(
          new PutSecretValueCommand({ SecretId: secretId, SecretString, VersionStages: ['AWSPENDING'] }),
        );
  return VersionId;
}

async function promote(versionId: string): Promise<void> {
  const RemoveFromVersionId = await currentVersion();
  await secretsManager.send(
    new UpdateSecretVersionStageCommand({
      SecretId: secretId,
      VersionStage: 'AWSCURRENT',
      MoveToVersionId: versionId,
      RemoveFromVersionId,
    }),
  );
}

async function currentVersion(): Promise<string> {
  const { VersionId = '' } = await secretsManager.send(new GetSecretValueCommand({ SecretId: secretId }));
  return VersionId;
}
