import { Command } from 'commander';
import type { Output } from '../output.ts';
import { auditLogCommand, type OpenAuditTrail } from './audit-log.ts';
import { auditVerifyCommand } from './audit-verify.ts';

/** `rekey audit`: reads the evidence and checks that nobody changed it. Reads only; `open` runs when a table is needed. */
export function auditCommand(output: Output, open: OpenAuditTrail): Command {
  return new Command('audit')
    .description('read the audit trail, and verify that nothing in it was changed, removed or reordered')
    .addCommand(auditLogCommand(output, open))
    .addCommand(auditVerifyCommand(output, open));
}
