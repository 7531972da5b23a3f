import type { AuditOperation, AuditTrail, RiskLevel } from '../audit/audit-trail.ts';
import type { Clock } from '../clock.ts';
import { InternalFault, RekeyError } from '../errors.ts';

export type Facts = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Collects the operations of one step and writes them to the chain at once, also when the step fails. */
export class OperationLog {
  readonly #operations: AuditOperation[] = [];
  readonly #clock: Clock;
  readonly #about: OperationAbout;

  constructor(clock: Clock, about: OperationAbout) {
    this.#clock = clock;
    this.#about = about;
  }

  note(action: string, facts: Facts = {}, riskLevel: RiskLevel = 'low'): void {
    this.#push(action, action, facts, riskLevel);
  }

  #push(operation: string, action: string, facts: Facts, riskLevel: RiskLevel): void {
    const { scope, step, reason } = this.#about;
    this.#operations.push({
      operationId: `${scope}/${step}/${operation}`,
      timestamp: this.#clock.now(),
      action: `rotation.${step}.${action}`,
      agent: `rekey/${step}`,
      context: { ip_address: 'internal', reason, ...this.#about.facts, ...facts },
      riskLevel,
    });
  }

  /**
   * Runs `work` and appends what it noted before the answer, or the error, goes on. A second run of the step notes the
   * same operation ids, which the trail passes over: so the chain holds each operation once.
   */
  async during<T>(auditTrail: AuditTrail, secretId: string, work: () => Promise<T>): Promise<T> {
    const { answer, entries } = await this.collect(auditTrail, secretId, work);
    if (entries.length > 0) await auditTrail.append(secretId, entries);
    return answer;
  }

  /** The same, but what succeeded is handed out, to be written together with the record that it belongs to. */
  async collect<T>(
    auditTrail: AuditTrail,
    secretId: string,
    work: () => Promise<T>,
  ): Promise<{ readonly answer: T; readonly entries: readonly AuditOperation[] }> {
    try {
      return { answer: await work(), entries: this.#operations };
    } catch (error) {
      const fault = asRekeyError(error);
      // Every failed attempt is an operation of its own.
      const attempt = `failed/${fault.name}/${this.#clock.now().toISOString()}`;
      this.#push(attempt, `failed_${fault.name}`, { fault: fault.name, message: fault.safeMessage }, 'medium');
      await auditTrail.append(secretId, this.#operations);
      throw error;
    }
  }
}

interface OperationAbout {
  /** The rotation's id: operations of the same scope, step and action are one operation. */
  readonly scope: string;
  readonly step: string;
  readonly reason: string;
  readonly facts: Facts;
}

/** `error` itself when its text is safe; else an InternalFault that says only where to look. */
export function asRekeyError(error: unknown): RekeyError {
  if (error instanceof RekeyError) return error;
  const name = error instanceof Error ? error.name : typeof error;
  return new InternalFault(`An unexpected ${name} stopped this step; its log has the place.`, { cause: error });
}
