import { beforeAll, describe, expect, it } from 'vitest';

import { verifyTrail } from '../../shared/audit/verify-trail.ts';
import { type RotationRecord, PHASES } from '../../shared/registry/registry.ts';
import { login, REFUSED } from '../harness/deployed/database.ts';
import { EXAMPLES } from '../harness/deployed/examples.ts';
import { ended, executionsOf, statesEntered } from '../harness/deployed/executions.ts';
import { alertOf, alertsAbout } from '../harness/deployed/mailbox.ts';
import { executionOf, untilEnded, untilRetired } from '../harness/deployed/rotations.ts';
import { currentValue, valueOf } from '../harness/deployed/secrets.ts';
import { deployment, output } from '../harness/deployed/system.ts';

const { secret, role } = EXAMPLES.scheduled;

describe('a secret that is due, when nobody does anything', () => {
  let rotation: RotationRecord;
  let execution: string;

  beforeAll(async () => {
    rotation = await untilEnded(secret);
    execution = await executionOf(rotation.rotationId);
  });

  it('is rotated by the scheduled rule, once', async () => {
    expect(rotation).toMatchObject({ reason: 'scheduled', status: 'succeeded' });
    expect(rotation.requestedBy).toMatch(/:rule\//);
    const all = await executionsOf(await output('SecretRotationArn'));
    const name = execution.split(':').at(-1) ?? '';
    const prefix = name.slice(0, -rotation.rotationId.length);
    expect(all.filter((one) => one.name?.startsWith(prefix))).toHaveLength(1);
  });

  it('goes through the five phases in their order and succeeds', async () => {
    expect(await ended(execution)).toBe('SUCCEEDED');
    const entered = (await statesEntered(execution)).map((name) => name.toLowerCase());
    expect(entered.filter((name) => (PHASES as readonly string[]).includes(name))).toEqual(PHASES);
    expect(entered.at(-1)).toBe('rotated');
    expect(rotation.phases.map(({ name }) => name)).toEqual(PHASES);
  });

  it('opens its database with the new value, as another role', async () => {
    const value = await currentValue(secret);
    expect(value.username).toBe(`${role}_a`);
    expect(await login(value)).toBe('accepted');
  });

  it('retires the replaced version: PostgreSQL refuses the old password', async () => {
    await untilRetired(secret, rotation.incumbentVersionId);
    const all = await executionsOf(await output('VersionRetirementArn'));
    const retirement = all.find(({ name }) => name === rotation.rotationId)?.executionArn ?? '';
    expect(await ended(retirement)).toBe('SUCCEEDED');
    expect(await login(await valueOf(secret, rotation.incumbentVersionId ?? ''))).toMatch(REFUSED);
  });

  it('tells people once, with a subject that SNS takes', async () => {
    const alert = await alertOf(secret, rotation.rotationId, 'rotation_succeeded');
    expect(alert.subject.length).toBeLessThanOrEqual(100);
    expect(alert.subject).toContain(secret);
    await ended(execution);
    expect(await alertsAbout(secret)).toHaveLength(1);
  });

  it('leaves an audit trail that verifies and holds every phase', async () => {
    const { auditTrail } = await deployment();
    await untilRetired(secret, rotation.incumbentVersionId);
    expect(await verifyTrail(auditTrail, [secret])).toMatchObject({ verified: true });
    const lines: string[] = [];
    for await (const line of auditTrail.lines(secret)) lines.push(line);
    const actions = lines.map((line) => (JSON.parse(line) as { action: string }).action);
    for (const step of [...PHASES, 'retire']) {
      expect(
        actions.some((action) => action.includes(step)),
        `an entry of ${step}`,
      ).toBe(true);
    }
  });
});
