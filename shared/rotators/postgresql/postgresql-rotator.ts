import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { SecretText } from '../../redact.ts';
import type { ProposeInput, Rotator, RotatorSettings } from '../rotator.ts';
import { Connector, type LoginOutcome } from './connect.ts';
import { candidateJson, parseCredential } from './credential-json.ts';
import { assertParity, COMPARED } from './parity.ts';
import { preheat } from './preheat.ts';
import { installSingleRole, preflightSingleRole, retireSingleRole } from './single-role.ts';
import { retireTwoRoles } from './retire-two-roles.ts';
import { installTwoRoles, preflightTwoRoles } from './two-roles.ts';

/** 192 bits: 32 characters of base64url, which need no escape in a connection string. */
const PASSWORD_BYTES = 24;

export interface PostgresqlDependencies {
  readonly clock: Clock;
  /** Default `two_roles`. */
  readonly mode?: RotatorSettings['mode'];
  /** Told of every login that ends: for counting. */
  readonly onConnect?: (outcome: LoginOutcome) => void;
  readonly randomBytes?: (size: number) => Buffer;
}

/**
 * Rotates PostgreSQL logins whose secret follows the AWS database convention. `two_roles`: two login roles in front
 * of one owner role, side by side until retirement. `single_role`: one role whose password changes, with a window from
 * `install` until consumers have the new value.
 */
export function postgresqlRotator(dependencies: PostgresqlDependencies): Rotator {
  const { clock, mode = 'two_roles', onConnect, randomBytes: random = randomBytes } = dependencies;
  const connector = new Connector(onConnect);
  const isTwoRoles = mode === 'two_roles';
  return {
    type: 'postgresql',
    overlap: isTwoRoles,
    preflight: (input) => (isTwoRoles ? preflightTwoRoles : preflightSingleRole)(input, connector),
    propose: (input) => propose(input, random(PASSWORD_BYTES).toString('base64url')),
    install: (input) => (isTwoRoles ? installTwoRoles : installSingleRole)(input, connector),
    test: ({ settings, candidate, incumbentIdentity }) => {
      const { login, username } = parseCredential(candidate, 'candidate', settings.connection);
      return preheat({ login, settings: { ...settings, mode }, clock, connector }, async (session, healthy) => {
        if (incumbentIdentity === undefined) return { healthy, parity: [] };
        // One role with another password can do what it could.
        const isSame = incumbentIdentity === username;
        return { healthy, parity: isSame ? COMPARED : await assertParity(session, incumbentIdentity) };
      });
    },
    probe: (value, settings) => connector.probe(parseCredential(value, 'probed credential', settings.connection).login),
    release: () => connector.release(),
    retire: (input) => (isTwoRoles ? retireTwoRoles : retireSingleRole)(input, connector),
  };
}

function propose({ incumbent, settings, candidate }: ProposeInput, password: string): SecretText {
  const { connection } = settings;
  return candidateJson({
    incumbent: incumbent === undefined ? undefined : parseCredential(incumbent, 'incumbent', connection),
    connection,
    username: candidate,
    password,
  });
}
