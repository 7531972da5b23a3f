import {
  AdminRefused,
  CandidateUnproven,
  IncumbentRefused,
  RefusedByPolicy,
  RetirementPending,
  RotationEnded,
  SameAsSurvivor,
  SlotOccupied,
  StillAlive,
  TargetUnreachable,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import type {
  ChosenRotator,
  InstallInput,
  InstallReport,
  Preflight,
  PreflightInput,
  ProposeInput,
  RetireInput,
  RetireReport,
  TestInput,
  TestReport,
} from '../../shared/rotators/rotator.ts';

interface Account {
  password: string | undefined;
  sessions: number;
  /** The rotation that it was last installed for. */
  readonly installed?: Pick<InstallInput, 'versionId' | 'startedAt'>;
}

/** What a test can do to the target. */
export type TargetFault = 'unreachable' | 'admin_refused' | 'refuses_candidate' | 'candidate_unhealthy' | 'survives';

/** A system with named accounts, and the rotator for it: two slots, like the postgresql rotator. */
export class InMemoryTarget implements ChosenRotator {
  readonly type = 'postgresql';
  readonly kind = 'chosen';
  overlap = true;
  readonly accounts = new Map<string, Account>();
  readonly faults = new Set<TargetFault>();
  #made = 0;

  /** An account made by hand; answers the secret's value that opens it. */
  seed(username: string): string {
    const password = this.#password();
    this.accounts.set(username, { password, sessions: 0 });
    return JSON.stringify({ engine: 'postgres', username, password });
  }

  opens(value: string): boolean {
    const { username, password } = JSON.parse(value) as { username: string; password: string };
    return this.accounts.get(username)?.password === password;
  }

  loginNames(): string[] {
    return [...this.accounts].filter(([, { password }]) => password !== undefined).map(([name]) => name);
  }

  async preflight({ incumbent, known, versionId }: PreflightInput): Promise<Preflight> {
    this.#reach();
    if (this.faults.has('admin_refused')) throw new AdminRefused('The target refused the administrator.');
    const current = incumbent === undefined ? undefined : parse(incumbent).username;
    if (incumbent !== undefined && !this.opens(incumbent.reveal())) {
      throw new IncumbentRefused('The target refused the incumbent.');
    }
    const candidate = current === 'app_a' ? 'app_b' : 'app_a';
    const inSlot = known.filter(({ identity }) => identity === candidate);
    if (inSlot.some(({ state }) => state === 'grace'))
      throw new RetirementPending(`"${candidate}" is in its grace period.`);
    const mine = inSlot.some((entry) => entry.versionId === versionId || entry.state === 'retired');
    if (this.accounts.has(candidate) && !mine) throw new SlotOccupied(`"${candidate}" exists and is not Rekey's.`);
    return { candidate, incumbent: current, facts: { server: 'in memory' } };
  }

  propose({ candidate }: ProposeInput): SecretText {
    return new SecretText(JSON.stringify({ engine: 'postgres', username: candidate, password: this.#password() }));
  }

  async install({ candidate, versionId, startedAt }: InstallInput): Promise<InstallReport> {
    this.#reach();
    if (this.faults.has('refuses_candidate')) throw new RefusedByPolicy('The target refused the password.');
    const { username, password } = parse(candidate);
    const installed = this.accounts.get(username)?.installed;
    if (installed !== undefined && installed.versionId !== versionId && installed.startedAt >= startedAt) {
      throw new RotationEnded(`"${username}" is installed for a later rotation.`);
    }
    this.accounts.set(username, { password, sessions: 0, installed: { versionId, startedAt } });
    return { facts: {} };
  }

  async test({ candidate }: TestInput): Promise<TestReport> {
    this.#reach();
    if (this.faults.has('candidate_unhealthy') || !this.opens(candidate.reveal())) {
      throw new CandidateUnproven('The candidate did not log in within the pre-heat time.');
    }
    return { healthy: 3, parity: ['tables'] };
  }

  async probe(value: SecretText): Promise<'accepted' | 'refused'> {
    this.#reach();
    return this.opens(value.reveal()) ? 'accepted' : 'refused';
  }

  async release(): Promise<void> {
    // Keeps nothing open.
  }

  async retire({ identity, versionId, value, survivor }: RetireInput): Promise<RetireReport> {
    this.#reach();
    if (survivor !== undefined && parse(survivor).username === identity) {
      throw new SameAsSurvivor(`"${identity}" is the account that must go on working.`);
    }
    if (this.faults.has('survives')) throw new StillAlive(`"${identity}" still opens the target.`);
    const account = this.accounts.get(identity);
    const refusedLogin = value !== undefined;
    if (account === undefined) return { refusedLogin, endedSessions: 0, facts: {} };
    const isOfAnother = (account.installed?.versionId ?? versionId) !== versionId;
    if (isOfAnother && account.password !== undefined && !(refusedLogin && this.opens(value.reveal()))) {
      return { refusedLogin, endedSessions: 0, facts: { role: 'left alone' } };
    }
    this.accounts.set(identity, { ...account, password: undefined, sessions: 0 });
    return { refusedLogin, endedSessions: account.sessions, facts: {} };
  }

  #reach(): void {
    if (this.faults.has('unreachable')) throw new TargetUnreachable('The target does not answer.');
  }

  #password(): string {
    this.#made += 1;
    return `${this.#made}-${crypto.randomUUID()}`;
  }
}

function parse(value: SecretText): { readonly username: string; readonly password: string } {
  return JSON.parse(value.reveal()) as { username: string; password: string };
}
