import { describe, expect, it } from 'vitest';
import type { AuditOperation } from '../../../../shared/audit/audit-trail.ts';
import { Throttled } from '../../../../shared/errors.ts';
import type { SaveWith, SecretRecord } from '../../../../shared/registry/registry.ts';
import { recover } from '../../../../shared/rotation/recover.ts';
import type { RotationInput } from '../../../../shared/rotation/payloads.ts';
import { InMemoryAuditTrail } from '../../../fakes/in-memory-audit-trail.ts';
import { InMemoryRegistry } from '../../../fakes/in-memory-registry.ts';
import { RotationWorld } from '../../../harness/rotation-world.ts';
import { runSecretRotation } from '../../../harness/workflow.ts';

class ThrottledTrail extends InMemoryAuditTrail {
  isThrottled = false;
  override async append(secretId: string, operations: readonly AuditOperation[]) {
    if (this.isThrottled) throw new Throttled('DynamoDB asked to slow down: the audit table.');
    return super.append(secretId, operations);
  }
}

class ThrottledRegistry extends InMemoryRegistry {
  isThrottled = false;
  override async save(record: SecretRecord, also?: SaveWith) {
    if (this.isThrottled) throw new Throttled('DynamoDB asked to slow down: the registry table.');
    return super.save(record, also);
  }
}

class ThrottledWorld extends RotationWorld {
  override readonly auditTrail = new ThrottledTrail();
  override readonly registry = new ThrottledRegistry(this.auditTrail);
}

describe('a table that throttles', () => {
  it('stops the rotation, the incumbent works, people are told which, and recovery ends it', async () => {
    const { world, input } = await adopted();
    const before = await world.current();
    world.auditTrail.isThrottled = true;
    const run = await runSecretRotation(input, { invocation: () => world });
    expect(run.outcome).toEqual({ status: 'failed', error: 'RollBackFailed' });
    expect(await world.current()).toEqual(before);
    expect(await world.currentOpensTarget()).toBe(true);
    expect(world.alerts.published.map(({ kind }) => kind)).toEqual(['rotation_failed']);
    expect(world.alerts.published[0]?.body).toContain('Throttled: DynamoDB asked to slow down: the audit table.');

    world.auditTrail.isThrottled = false;
    await recoverFrom(input, world);
    expect(await world.unknownLogins()).toEqual([]);
    expect((await world.record()).rotation?.status).toBe('rolled_back');
    world.clock.advance(5 * 60);
    await world.rotate(await world.due());
    expect((await world.current()).versionId).not.toBe(before.versionId);
  });

  it('lets no rotation begin, and people are told so', async () => {
    const { world, input } = await adopted();
    world.registry.isThrottled = true;
    const run = await runSecretRotation(input, { invocation: () => world });
    expect(run.outcome).toEqual({ status: 'failed', error: 'RotationRolledBack' });
    expect(world.alerts.published).toMatchObject([
      { subject: '[rekey] Not begun pg_prod_main (production): Throttled', facts: { fault: 'Throttled' } },
    ]);
    expect(await world.currentOpensTarget()).toBe(true);
    world.registry.isThrottled = false;
    world.clock.advance(15 * 60);
    await world.rotate(await world.due());
  });
});

async function adopted(): Promise<{ readonly world: ThrottledWorld; readonly input: RotationInput }> {
  const world = new ThrottledWorld();
  await world.adopt();
  return { world, input: await world.due() };
}

async function recoverFrom(input: RotationInput, world: ThrottledWorld): Promise<void> {
  const detail = {
    executionArn: 'arn:aws:states:us-east-1:000000000000:execution:SecretRotation:x',
    stateMachineArn: 'arn:aws:states:us-east-1:000000000000:stateMachine:SecretRotation',
    status: 'FAILED' as const,
    input: JSON.stringify(input),
  };
  const ports = Object.assign(Object.create(world) as ThrottledWorld, { startRetirement: async () => undefined });
  await recover({ detail }, ports);
}
