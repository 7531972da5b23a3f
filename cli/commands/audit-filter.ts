import type { AuditEntry, RiskLevel } from '../../shared/audit/audit-trail.ts';

export const RISK_LEVELS = ['critical', 'high', 'medium', 'low'] as const satisfies readonly RiskLevel[];

/** What `rekey audit log` can be narrowed by; every member given has to match. */
export interface AuditFilter {
  /** Beginning of the action. */
  readonly action?: string;
  readonly agent?: string;
  /** `context.rotation_id`. */
  readonly rotation?: string;
  /** From this moment on. */
  readonly since?: Date;
  /** Before this moment. */
  readonly until?: Date;
  readonly risk?: RiskLevel;
}

/** Whether `entry` passes every part of the filter. Pure. */
export function matches(entry: AuditEntry, { action, agent, rotation, since, until, risk }: AuditFilter): boolean {
  const time = Date.parse(entry.timestamp);
  return (
    (action === undefined || entry.action.startsWith(action)) &&
    (agent === undefined || entry.agent === agent) &&
    (rotation === undefined || entry.context.rotation_id === rotation) &&
    (since === undefined || time >= since.getTime()) &&
    (until === undefined || time < until.getTime()) &&
    (risk === undefined || entry.risk_level === risk)
  );
}

/** Whether the filter leaves anything out. */
export function isFiltering({ action, agent, rotation, since, until, risk }: AuditFilter): boolean {
  return [action, agent, rotation, since, until, risk].some((part) => part !== undefined);
}
