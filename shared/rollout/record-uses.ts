import type { AuditOperation, AuditTrail } from '../audit/audit-trail.ts';
import { MAX_OPERATIONS } from '../audit/audit-trail.ts';
import type { UseReport } from './consumer.ts';

/**
 * Writes what consumers report into the audit chain: an entry for each kind of use, with its count, and one for what
 * could not be kept. Twice is harmless: an entry is named by consumer, report and place.
 */
export async function recordUses(reports: readonly UseReport[], auditTrail: AuditTrail): Promise<void> {
  for (const [secretId, ofSecret] of Map.groupBy(reports, (report) => report.secretId)) {
    const operations = ofSecret.flatMap(operationsOf);
    for (let from = 0; from < operations.length; from += MAX_OPERATIONS) {
      await auditTrail.append(secretId, operations.slice(from, from + MAX_OPERATIONS));
    }
  }
}

function operationsOf(report: UseReport): readonly AuditOperation[] {
  const { consumerId, number, agent, host, ipAddress, from, to, uses, dropped } = report;
  const about = {
    consumer: consumerId,
    host,
    report: number,
    from: from.toISOString(),
    to: to.toISOString(),
  };
  const entries = uses.map(({ action, reason, versionId, count }, place) => ({
    operationId: `use/${consumerId}/${number}/${place}`,
    timestamp: to,
    // Rekey's own actions have dots, and its own agents this prefix: no consumer can write what looks like theirs.
    action: action.replaceAll('.', '_'),
    agent: nameOf(agent),
    context: { ip_address: ipAddress, reason, version_id: versionId, count, ...about },
    riskLevel: 'low' as const,
  }));
  if (dropped === 0) return entries;
  const context = { ip_address: ipAddress, reason: 'more uses than could be kept', count: dropped, ...about };
  return [
    ...entries,
    {
      operationId: `use/${consumerId}/${number}/gap`,
      timestamp: to,
      action: 'use_reports_lost',
      agent: nameOf(agent),
      context,
      riskLevel: 'medium',
    },
  ];
}

function nameOf(agent: string): string {
  return agent.startsWith('rekey/') ? `agent:${agent}` : agent;
}
