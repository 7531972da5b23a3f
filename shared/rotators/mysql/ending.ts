import type { RetireInput } from '../rotator.ts';
import type { Session } from './connect.ts';
import type { Credential } from './credential-json.ts';
import type { Flavour } from './flavour.ts';

/** What is known of the credential to end. */
export interface Ending {
  readonly session: Session;
  readonly flavour: Flavour;
  readonly input: RetireInput;
  readonly user: string;
  readonly value: Credential | undefined;
}

/** What became of it at the server; the proof comes after. */
export interface Ended {
  readonly endedSessions: number;
  readonly facts: Readonly<Record<string, string>>;
  /** Without a value to try: whether the server lets it in, for all that is known. */
  readonly mayLogIn: boolean;
  /** MySQL: so many failed logins in a row block the account, the survivor's too; 0: any number. */
  readonly failedLogins: number;
}
