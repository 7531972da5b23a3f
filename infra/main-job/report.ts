import type { phaseReport } from './follow-rotation.ts';

/** An alert as its receivers get it. */
export interface Alert {
  readonly subject: string;
  readonly kind: string;
  /** What an e-mail says. */
  readonly body: string;
}

/** What `npm start -- --report FILE` writes. */
export interface Report {
  readonly deployed: boolean;
  readonly trigger: string;
  readonly executionArn: string | null;
  readonly phases: ReturnType<typeof phaseReport>;
  readonly queries: { readonly total: number; readonly failed: number };
  readonly audit: { readonly entries: number; readonly verified: boolean };
  readonly alerts: readonly Alert[];
  readonly incumbentRefused: boolean;
  readonly seconds: number;
}

/** What is not as promised, in sentences; empty when all is well. */
export function shortcomings(report: Report): readonly string[] {
  const failed = report.phases.filter(({ status }) => status !== 'succeeded').map(({ name }) => name);
  return [
    ...(report.trigger === 'schedule'
      ? []
      : [`The rotation was not started by the scheduled rule but by: ${report.trigger}.`]),
    ...(failed.length === 0 ? [] : [`These phases did not succeed: ${failed.join(', ')}.`]),
    ...(report.queries.failed === 0 ? [] : [`${report.queries.failed} of ${report.queries.total} queries failed.`]),
    ...(report.audit.verified ? [] : ['The audit chain does not verify.']),
    ...(report.alerts.length > 0 ? [] : ['No alert arrived.']),
    ...(report.incumbentRefused ? [] : ['The server still accepts the old password.']),
  ];
}
