import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';

import { rekey } from '../harness/deployed/command.ts';
import { EXAMPLES } from '../harness/deployed/examples.ts';
import { eventually } from '../harness/deployed/eventually.ts';
import { alertOf } from '../harness/deployed/mailbox.ts';
import { PLANTINGS } from '../harness/deployed/plant.ts';
import { recordOf, rotate, untilRetired } from '../harness/deployed/rotations.ts';
import { search, type Wanted } from '../harness/deployed/search.ts';
import { currentValue, everyVersion, putCurrent, type StoredVersion } from '../harness/deployed/secrets.ts';
import { ENVIRONMENT, system } from '../harness/deployed/system.ts';
import { openSecrets, type SecretValue } from '../../client/index.ts';
import { type Trace, TRACES } from '../harness/deployed/traces.ts';

const { secret, adminSecret, role } = EXAMPLES.canary;
const KINDS = Object.keys(TRACES) as (keyof typeof TRACES)[];

describe('after a rotation with its retirement, and two that were rolled back, no password lies in', () => {
  let wanted: readonly Wanted[] = [];
  let rotationId = '';
  let refusedId = '';

  beforeAll(async () => {
    const { rotation_id: id, status } = await rotate(secret);
    rotationId = id;
    expect(status).toBe('succeeded');
    await alertOf(secret, id, 'rotation_succeeded');
    await untilRetired(secret, (await recordOf(secret)).rotation?.incumbentVersionId);
    const admin = await currentValue(adminSecret);
    await putCurrent(adminSecret, { ...admin, password: randomBytes(18).toString('base64url') });
    const failed = await rotate(secret);
    expect(failed.status).toBe('rolled_back');
    await alertOf(secret, failed.rotation_id, 'rotation_rolled_back');
    await putCurrent(adminSecret, admin);
    refusedId = await refusedByItsConsumer();
    wanted = passwordsOf(await everyVersion());
  });

  it('is looked for with every version of every secret, incumbents, candidates and administrators', () => {
    const mine = wanted.filter(({ name }) => name.includes(`${secret} `));
    expect(mine).toHaveLength(3);
    expect(wanted.some(({ name }) => name.includes(adminSecret))).toBe(true);
    expect(wanted.every(({ value }) => value.length >= 12)).toBe(true);
  });

  it.each([
    ['executions', /^history of execution Rekey-production-Workflow-SecretRotation/],
    ['executions', /^history of execution Rekey-production-Workflow-VersionRetirement/],
    ['executions', /^history of execution Rekey-production-Workflow-RotationDispatch/],
    ['logs', /^log group \/.*\/generate$/],
    ['tables', /^table .*Registry/],
    ['tables', /^table .*Audit/],
    ['tables', /^table .*consumers/],
    ['queues', /^queue test-alerts$/],
    ['queues', /^queue test-events$/],
  ] as const)('is looked for where the rotation has really written: %s %s', async (kind, written) => {
    const rotations = [rotationId, refusedId].map((value) => ({ name: 'rotation', value }));
    const { findings } = await search(TRACES[kind](), rotations);
    expect(findings.map(({ place }) => place)).toContainEqual(expect.stringMatching(written));
  });

  it('is looked for in a log of PostgreSQL that has every statement: the verifier is there, and who it is for', async () => {
    const log = await readFile(system.postgres.logFile, 'utf8');
    expect(log).toMatch(new RegExp(`ALTER ROLE "?${role}_a"? LOGIN PASSWORD 'SCRAM-SHA-256\\$`));
  });

  it.each(KINDS)('%s', async (kind) => {
    const { findings, places } = await search(TRACES[kind](), wanted);
    expect(findings).toEqual([]);
    expect(places).toBeGreaterThan(0);
  });

  it('the output of the commands', async () => {
    const commands = [
      ['status'],
      ['status', '--json'],
      ['audit', 'log', secret],
      ['audit', 'log', '--json'],
      ['audit', 'verify'],
    ];
    const traces: Trace[] = [];
    for (const words of commands) {
      const { output, notes } = await rekey(...words);
      traces.push({ place: `rekey ${words.join(' ')}`, text: output + notes });
    }
    expect((await search(traces, wanted)).findings).toEqual([]);
  });
});

describe('the search finds what lies about:', () => {
  it.each(Object.keys(PLANTINGS))('%s', async (where) => {
    const planting = PLANTINGS[where];
    if (planting === undefined) throw new Error(`Nothing is planted for ${where}.`);
    const marker = `not-a-secret"${randomBytes(18).toString('base64url')}`;
    const remove = await planting.plant(marker);
    try {
      const findings = await eventually(`finding what was planted as ${where}`, async () => {
        const found = await search(TRACES[planting.kind](), [{ name: 'marker', value: marker }]);
        return found.findings.length === 0 ? undefined : found.findings;
      });
      expect(findings.map(({ place }) => place).filter((place) => !planting.place.test(place))).toEqual([]);
    } finally {
      await remove();
    }
  });

  const value = `n"t+a/secret ${randomBytes(12).toString('base64')}`;
  const bytes = (before: string) => Buffer.from(`${before}${value} and more`);
  it.each([
    ['plain', `password=${value};`],
    ['JSON', JSON.stringify({ password: value })],
    ['JSON in JSON', JSON.stringify({ value: JSON.stringify({ password: value }) })],
    ['a URL', `postgres://role:${encodeURIComponent(value)}@host/database`],
    ['hex', bytes('x').toString('hex')],
    ['upper-case hex', bytes('x').toString('hex').toUpperCase()],
    ['base64', bytes('').toString('base64')],
    ['base64 after one byte', bytes('x').toString('base64')],
    ['base64 after two bytes', bytes('xy').toString('base64')],
    ['base64url', bytes('xyz').toString('base64url')],
    ['base64url after one byte', bytes('x').toString('base64url')],
    ['base64url after two bytes', bytes('xy').toString('base64url')],
  ])('as %s', async (_, text) => {
    const { findings } = await search([{ place: 'a text', text }], [{ name: 'marker', value }]);
    expect(findings).not.toEqual([]);
    expect(JSON.stringify(findings)).not.toContain(value);
  });
});

/** Each password once, named by the first version that holds it. */
function passwordsOf(versions: readonly StoredVersion[]): readonly Wanted[] {
  const names = new Map<string, string>();
  for (const { secretId, versionId, text } of versions) {
    const { password } = JSON.parse(text) as { readonly password: string };
    if (!names.has(password)) names.set(password, `password of ${secretId} version ${versionId}`);
  }
  return [...names].map(([value, name]) => ({ name, value }));
}

/** A consumer whose proof fails with the candidate in its words, as careless code does. Answers the rotation's id. */
async function refusedByItsConsumer(): Promise<string> {
  const consumer = await openSecrets([secret], { agent: 'careless-agent', environment: ENVIRONMENT, followSeconds: 1 });
  try {
    consumer.onReload(secret, async (candidate: SecretValue) => {
      const { password = '' } = candidate.json<Record<string, string>>();
      throw new Error(`no login with ${password}, that is ${encodeURIComponent(password)}, from ${candidate.reveal()}`);
    });
    consumer.use(secret, 'a test');
    const { status, rotation_id: id, fault } = await rotate(secret);
    expect(status).toBe('rolled_back');
    expect(fault?.name).toBe('ConsumersRefused');
    expect(fault?.message).toContain('careless-agent');
    return id;
  } finally {
    await consumer.close();
  }
}
