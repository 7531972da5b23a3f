import { DeleteFunctionConcurrencyCommand, PutFunctionConcurrencyCommand } from '@aws-sdk/client-lambda';
import { StopExecutionCommand } from '@aws-sdk/client-sfn';
import { describe, expect, it } from 'vitest';

import { asAdmin, login, loginRoles, REFUSED } from '../harness/deployed/database.ts';
import { EXAMPLES } from '../harness/deployed/examples.ts';
import { eventually } from '../harness/deployed/eventually.ts';
import { ended, stepFunctions } from '../harness/deployed/executions.ts';
import { functionOf, lambda } from '../harness/deployed/functions.ts';
import { alertOf } from '../harness/deployed/mailbox.ts';
import { PostgresProxy } from '../harness/deployed/postgres-proxy.ts';
import { executionOf, recordOf, requestRotation, rotate, untilEnded } from '../harness/deployed/rotations.ts';
import { currentDigest, currentValue, valueOf, versionsOf } from '../harness/deployed/secrets.ts';

const { secret, role } = EXAMPLES.aborted;

describe('an execution that somebody stops between Generate and Test', () => {
  it('is picked up by the recovery rule: rolled back, told of, and the next rotation succeeds', async () => {
    const incumbent = await currentValue(secret);
    const before = await currentDigest(secret);
    // No concurrency: Test is throttled, so the workflow waits there with a candidate installed.
    const FunctionName = await functionOf('SecretRotationArn', 'Test');
    await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }));
    let id: string;
    let execution: string;
    try {
      id = await requestRotation(secret);
      execution = await executionOf(id);
      await eventually('the end of Generate', async () =>
        (await recordOf(secret)).rotation?.phases.some(
          ({ name, endedAt }) => name === 'generate' && endedAt !== undefined,
        )
          ? true
          : undefined,
      );
      expect(await loginRoles(role)).toEqual([role, `${role}_a`]);
      await stepFunctions.send(new StopExecutionCommand({ executionArn: execution }));
    } finally {
      await lambda.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
    }
    expect(await ended(execution)).toBe('ABORTED');

    const rotation = await untilEnded(secret);
    expect(rotation).toMatchObject({ rotationId: id, status: 'rolled_back', fault: { name: 'Execution.ABORTED' } });
    expect(await currentDigest(secret)).toBe(before);
    expect(await login(incumbent)).toBe('accepted');
    expect(await login(await valueOf(secret, id))).toMatch(REFUSED);
    expect(await loginRoles(role)).toEqual([role]);
    expect((await recordOf(secret)).lease).toBeUndefined();
    const pending = (await versionsOf(secret)).filter(({ stages }) => stages.includes('AWSPENDING'));
    expect(pending).toEqual([]);
    expect((await alertOf(secret, id, 'rotation_rolled_back')).subject).toContain('Execution.ABORTED');

    expect(await rotate(secret)).toMatchObject({ status: 'succeeded' });
    expect(await login(await currentValue(secret))).toBe('accepted');
  });
});

describe('an execution that somebody stops while Generate installs the candidate', () => {
  it('leaves no login behind, although its function goes on when all has been rolled back', async () => {
    const { secret, role } = EXAMPLES.stopped;
    const proxy = await PostgresProxy.inFrontOf(EXAMPLES.stopped);
    const installing = Promise.withResolvers<void>();
    const rolledBack = Promise.withResolvers<void>();
    try {
      let isHeld = false;
      proxy.holdsBack = async (sent) => {
        // Installing takes the lock first; rolling back takes it too, and must come through.
        if (isHeld || !sent.includes('pg_advisory_xact_lock')) return;
        isHeld = true;
        installing.resolve();
        await rolledBack.promise;
      };
      const id = await requestRotation(secret);
      await installing.promise;
      await stepFunctions.send(new StopExecutionCommand({ executionArn: await executionOf(id) }));
      expect(await untilEnded(secret)).toMatchObject({ rotationId: id, status: 'rolled_back' });
      rolledBack.resolve();

      const candidate = `SELECT rolcanlogin AS "canLogin" FROM pg_roles WHERE rolname = '${role}_a'`;
      await eventually('a candidate that is there and cannot log in', async () => {
        const [found] = await asAdmin<{ canLogin: boolean }>(candidate);
        return found?.canLogin === false ? true : undefined;
      });
      expect(await login(await valueOf(secret, id))).toMatch(REFUSED);
      expect(await login(await currentValue(secret))).toBe('accepted');
      expect(await rotate(secret)).toMatchObject({ status: 'succeeded' });
    } finally {
      rolledBack.resolve();
      await proxy.stop();
    }
  });
});
