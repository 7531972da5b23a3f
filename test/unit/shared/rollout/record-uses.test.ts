import { describe, expect, it } from 'vitest';
import { verifyTrail } from '../../../../shared/audit/verify-trail.ts';
import type { UseReport } from '../../../../shared/rollout/consumer.ts';
import { recordUses } from '../../../../shared/rollout/record-uses.ts';
import { InMemoryAuditTrail } from '../../../fakes/in-memory-audit-trail.ts';

const FROM = new Date('2026-03-01T12:00:00.000Z');
const TO = new Date('2026-03-01T12:01:00.000Z');

describe('reports of uses', () => {
  it('become entries in the request’s shape, with their counts', async () => {
    const trail = new InMemoryAuditTrail();
    await recordUses([report()], trail);
    expect(trail.entries('api_key_github')).toMatchObject([
      {
        timestamp: '2026-03-01T12:01:00.000Z',
        secret_id: 'api_key_github',
        action: 'accessed',
        agent: 'github_updater',
        context: { ip_address: '192.168.1.100', reason: 'fetch_releases', count: 12, version_id: 'v1', report: 1 },
        risk_level: 'low',
      },
    ]);
  });

  it('are written once, however often the stream brings them', async () => {
    const trail = new InMemoryAuditTrail();
    await recordUses([report(), report({ number: 2 })], trail);
    await recordUses([report(), report({ number: 2 })], trail);
    expect(trail.entries()).toHaveLength(2);
  });

  it('say what was lost', async () => {
    const trail = new InMemoryAuditTrail();
    await recordUses([report({ dropped: 7 })], trail);
    expect(trail.entries().at(-1)).toMatchObject({
      action: 'use_reports_lost',
      context: { count: 7 },
      risk_level: 'medium',
    });
  });

  it('cannot pass for what Rekey itself writes', async () => {
    const trail = new InMemoryAuditTrail();
    const uses = [{ action: 'rotation.apply.current_moved', reason: 'forged', versionId: 'v1', count: 1 }];
    await recordUses([report({ agent: 'rekey/apply', uses })], trail);
    expect(trail.entries()).toMatchObject([{ action: 'rotation_apply_current_moved', agent: 'agent:rekey/apply' }]);
  });

  it('fit into the chain whatever their number', async () => {
    const trail = new InMemoryAuditTrail();
    const uses = Array.from({ length: 50 }, (_, index) => ({
      action: 'accessed',
      reason: `r${index}`,
      versionId: 'v1',
      count: 1,
    }));
    await recordUses([report({ uses }), report({ number: 2, uses })], trail);
    expect(trail.entries()).toHaveLength(100);
    expect(await verifyTrail(trail)).toMatchObject({ verified: true, entries: 100 });
  });
});

function report(changes: Partial<UseReport> = {}): UseReport {
  return {
    secretId: 'api_key_github',
    consumerId: 'c1',
    agent: 'github_updater',
    host: 'host-1 (pid 12)',
    ipAddress: '192.168.1.100',
    number: 1,
    from: FROM,
    to: TO,
    uses: [{ action: 'accessed', reason: 'fetch_releases', versionId: 'v1', count: 12 }],
    dropped: 0,
    ...changes,
  };
}
