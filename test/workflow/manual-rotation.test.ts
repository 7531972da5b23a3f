import { beforeAll, describe, expect, it } from 'vitest';

import { EXIT_CODE } from '../../cli/exit-code.ts';
import { rekey } from '../harness/deployed/command.ts';
import { login } from '../harness/deployed/database.ts';
import { EXAMPLES } from '../harness/deployed/examples.ts';
import { eventually } from '../harness/deployed/eventually.ts';
import { ended, executionsOf, historyOf } from '../harness/deployed/executions.ts';
import {
  executionOf,
  recordOf,
  sendRequest,
  type RotationAnswer,
  rotate,
  untilRetired,
} from '../harness/deployed/rotations.ts';
import { currentValue } from '../harness/deployed/secrets.ts';
import { deployment, output } from '../harness/deployed/system.ts';

const { secret, role } = EXAMPLES.manual;

describe('rekey rotate', () => {
  let answer: RotationAnswer & { readonly exitCode: number | null };

  beforeAll(async () => {
    answer = await rotate(secret);
  });

  it('rotates the secret and ends with exit code 0', async () => {
    expect(answer).toMatchObject({ exitCode: EXIT_CODE.ok, status: 'succeeded', fault: null });
    const value = await currentValue(secret);
    expect(value.username).toMatch(new RegExp(`^${role}_[ab]$`));
    expect(await login(value)).toBe('accepted');
  });

  it('takes the path of every trigger: an event that RotationDispatch turns into an execution', async () => {
    const execution = await executionOf(answer.rotation_id);
    const started = await Promise.all(
      (await executionsOf(await output('DispatchArn'))).map(async ({ executionArn = '' }) =>
        JSON.stringify(await historyOf(executionArn)),
      ),
    );
    const mine = started.filter((history) => history.includes(answer.rotation_id));
    expect(mine).toHaveLength(1);
    expect(mine[0]).toContain('Rotation Requested');
    expect(execution).toContain(answer.rotation_id);
  });

  it('says in rekey status what it did', async () => {
    await untilRetired(secret, (await recordOf(secret)).rotation?.incumbentVersionId);
    const { exitCode, output: text } = await rekey('status', secret, '--json');
    expect(exitCode).toBe(EXIT_CODE.ok);
    expect(JSON.parse(text)).toMatchObject({
      environment: 'production',
      secrets: [
        {
          secret_id: secret,
          state: 'ok',
          current_version_id: answer.rotation_id,
          last_rotation: { rotation_id: answer.rotation_id, reason: 'manual', status: 'succeeded', fault: null },
          owed: [],
        },
      ],
    });
  });

  it('can be read in rekey audit log, an entry a line', async () => {
    const { exitCode, output: text } = await rekey('audit', 'log', secret, '--json', '--rotation', answer.rotation_id);
    expect(exitCode).toBe(EXIT_CODE.ok);
    const actions = text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { action: string }).action);
    expect(actions.length).toBeGreaterThan(5);
    expect(new Set(actions)).toContain('rotation.apply.current_moved');
  });

  it('leaves a trail that rekey audit verify proves whole', async () => {
    const { exitCode, output: text } = await rekey('audit', 'verify', '--json');
    expect(exitCode).toBe(EXIT_CODE.ok);
    expect(JSON.parse(text)).toMatchObject({ verified: true });
  });
});

describe('a request that comes while a credential of the secret is being retired', () => {
  it('waits for that, and is not lost', async () => {
    const { secret } = EXAMPLES.retiring;
    const { registry } = await deployment();
    const lease = { holder: 'retire/a-version', expiresAt: new Date(Date.now() + 600_000) };
    expect(await registry.save({ ...(await recordOf(secret)), lease })).toBe('saved');
    const id = await sendRequest(secret);
    const execution = await executionOf(id);
    await eventually('a try of Generate that finds the lease taken', async () =>
      JSON.stringify(await historyOf(execution)).includes('is being retired') ? true : undefined,
    );
    expect(await registry.save({ ...(await recordOf(secret)), lease: undefined })).toBe('saved');
    expect(await ended(execution)).toBe('SUCCEEDED');
    expect((await recordOf(secret)).rotation).toMatchObject({ rotationId: id, status: 'succeeded' });
  });
});

describe('rekey on a deployed system', () => {
  it('answers 1 for a secret that is not registered', async () => {
    const { exitCode, notes } = await rekey('rotate', 'test/nobody_knows', '--json');
    expect(exitCode).toBe(EXIT_CODE.finding);
    expect(notes).toContain('not registered');
    expect((await rekey('status', 'test/nobody_knows')).exitCode).toBe(EXIT_CODE.finding);
  });

  it('answers 2 for a wrong command line and 3 for an environment that is not deployed', async () => {
    expect((await rekey('rotate')).exitCode).toBe(EXIT_CODE.usage);
    const { exitCode, notes } = await rekey('status', '--environment', 'staging');
    expect(exitCode).toBe(EXIT_CODE.environment);
    expect(notes).toContain('cdk deploy');
  });
});
