import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { executionName, rotationId } from '../../shared/rotation/rotation-id.ts';
import type { Example } from '../harness/deployed/examples.ts';
import { EXAMPLES } from '../harness/deployed/examples.ts';
import { PostgresProxy } from '../harness/deployed/postgres-proxy.ts';
import { eventually } from '../harness/deployed/eventually.ts';
import { ended, executionsOf, start, statesEntered } from '../harness/deployed/executions.ts';
import { alertOf, alertsAbout } from '../harness/deployed/mailbox.ts';
import { executionOf, recordOf, untilEnded } from '../harness/deployed/rotations.ts';
import { versionsOf } from '../harness/deployed/secrets.ts';
import { deployment, ENVIRONMENT, output } from '../harness/deployed/system.ts';

describe('one rotation', () => {
  it('comes of one due time, when two dispatchers run at the same instant and the rule beside them', async () => {
    const { secret } = EXAMPLES.dueTwice;
    const { registry } = await deployment();
    // What is the schedule's comes first: this test's dispatchers find nothing due but its own secret.
    await untilEnded(EXAMPLES.scheduled.secret);
    const dueAt = new Date(Date.now() - 60_000);
    expect(await registry.save({ ...(await recordOf(secret)), dueAt })).toBe('saved');
    const dispatch = await output('DispatchArn');
    const tick = { 'detail-type': 'Scheduled Event', source: 'aws.events', resources: ['a-rule'] };
    const runs = await Promise.all([start(dispatch, tick), start(dispatch, tick)]);
    expect(await Promise.all(runs.map(ended))).toEqual(['SUCCEEDED', 'SUCCEEDED']);
    const rotation = await untilEnded(secret);
    expect(rotation).toMatchObject({ status: 'succeeded', reason: 'scheduled' });
    expect(rotation.rotationId).toBe(rotationId(ENVIRONMENT, secret, 'due', dueAt.toISOString()));
    expect(await executionsFor(EXAMPLES.dueTwice)).toHaveLength(1);
    await onlyOnce(EXAMPLES.dueTwice, rotation.rotationId);
  });

  it('comes of one event that is delivered twice, and a third time when all is over', async () => {
    const { secret } = EXAMPLES.sameEvent;
    const dispatch = await output('DispatchArn');
    const event = {
      id: randomUUID(),
      'detail-type': 'Rotation Requested',
      source: 'rekey',
      detail: { secret_id: secret, reason: 'manual', requested_by: 'a test' },
    };
    const runs = await Promise.all([start(dispatch, event), start(dispatch, event)]);
    expect(await Promise.all(runs.map(ended))).toEqual(['SUCCEEDED', 'SUCCEEDED']);
    const rotation = await untilEnded(secret);
    expect(rotation).toMatchObject({ status: 'succeeded', requestedBy: 'a test' });
    expect(await ended(await start(dispatch, event))).toBe('SUCCEEDED');
    expect(await executionsFor(EXAMPLES.sameEvent)).toHaveLength(1);
    await onlyOnce(EXAMPLES.sameEvent, rotation.rotationId);
  });

  it('comes of two requests at the same instant: the other finds the lease taken', async () => {
    const { secret } = EXAMPLES.twoEvents;
    const proxy = await PostgresProxy.inFrontOf(EXAMPLES.twoEvents);
    const skipped = Promise.withResolvers<void>();
    try {
      // The one that has the lease is held while it installs, until the other has come and gone.
      proxy.holdsBack = (sent) => (sent.includes('pg_advisory_xact_lock') ? skipped.promise : undefined);
      const detail = JSON.stringify({ secret_id: secret, reason: 'manual', requested_by: 'a test' });
      const Resources = [`rekey:${ENVIRONMENT}`];
      const request = { Source: 'rekey', DetailType: 'Rotation Requested', Detail: detail, Resources };
      await new EventBridgeClient({}).send(new PutEventsCommand({ Entries: [request, request] }));
      const both = await eventually('two executions', async () => {
        const found = await executionsFor(EXAMPLES.twoEvents);
        return found.length === 2 ? found : undefined;
      });
      await Promise.race(both.map(ended));
      skipped.resolve();
      await Promise.all(both.map(ended));
      const entered = await Promise.all(both.map(statesEntered));
      expect(entered.filter((states) => states.includes('Rotated'))).toHaveLength(1);
      expect(entered.filter((states) => states.includes('Skipped'))).toHaveLength(1);
      expect(entered.filter((states) => states.includes('Apply'))).toHaveLength(1);
      const current = (await versionsOf(secret)).find(({ stages }) => stages.includes('AWSCURRENT'));
      await onlyOnce(EXAMPLES.twoEvents, current?.versionId ?? '', 3);
    } finally {
      skipped.resolve();
      await proxy.stop();
    }
  });
});

async function executionsFor({ secret }: Example): Promise<readonly string[]> {
  const prefix = executionName(secret, '');
  const all = await executionsOf(await output('SecretRotationArn'));
  return all.flatMap(({ name = '', executionArn = '' }) => (name.startsWith(prefix) ? [executionArn] : []));
}

/** Two versions, the first (three where a test has put an address into it) and the new one; one message. */
async function onlyOnce({ secret }: Example, rotationId: string, versions = 2): Promise<void> {
  const stages = Object.fromEntries((await versionsOf(secret)).map((one) => [one.versionId, one.stages]));
  expect(Object.keys(stages)).toHaveLength(versions);
  expect(stages[rotationId]).toContain('AWSCURRENT');
  await alertOf(secret, rotationId, 'rotation_succeeded');
  await ended(await executionOf(rotationId));
  const told = (await alertsAbout(secret)).filter(({ kind }) => kind === 'rotation_succeeded');
  expect(told).toHaveLength(1);
}
