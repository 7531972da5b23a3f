import type { RotatorSettings } from '../rotator.ts';
import type { Session } from './connect.ts';
import type { Credential } from './credential-json.ts';
import type { Flavour } from './flavour.ts';
import type { ServerFacts } from './server-facts.ts';

/** What every step knows once the administrator's session is open. */
export interface Work {
  readonly session: Session;
  readonly flavour: Flavour;
  readonly server: ServerFacts;
  readonly settings: RotatorSettings;
  readonly incumbent: Credential | undefined;
}
