import type { Clock } from '../../clock.ts';
import { SecretText } from '../../redact.ts';
import { randomPassword } from '../password.ts';
import type { ChosenRotator, ProposeInput, RotatorSettings } from '../rotator.ts';
import { Connector, type Limits, type LoginOutcome, type Session } from './connect.ts';
import { candidateJson, parseCredential } from './credential-json.ts';
import { assertKeepsRole } from './keeps-role.ts';
import { assertParity, COMPARED } from './parity.ts';
import { preheat } from './preheat.ts';
import { assertReadOnly } from './read-only-proof.ts';
import { installSingleRole, preflightSingleRole, retireSingleRole } from './single-role.ts';
import { retireTwoRoles } from './retire-two-roles.ts';
import { installTwoRoles, preflightTwoRoles } from './two-roles.ts';

export interface PostgresqlDependencies {
  readonly clock: Clock;
  /** Default `two_roles`. */
  readonly mode?: RotatorSettings['mode'];
  /** Told of every login that ends: for counting. */
  readonly onConnect?: (outcome: LoginOutcome) => void;
  /** Shorter or longer than usual. */
  readonly limits?: Partial<Limits>;
}

/**
 * Rotates PostgreSQL logins whose secret follows the AWS database convention. `two_roles`: two login roles in front
 * of one owner role, side by side until retirement; where `privileges` is `read_only`, in front of a role that reads what
 * the owner role can. `single_role`: one role whose password changes, with a window from
 * `install` until consumers have the new value.
 */
export function postgresqlRotator(dependencies: PostgresqlDependencies): ChosenRotator {
  const { clock, mode = 'two_roles', onConnect, limits } = dependencies;
  const connector = new Connector(onConnect, limits);
  const isTwoRoles = mode === 'two_roles';
  return {
    type: 'postgresql',
    kind: 'chosen',
    overlap: isTwoRoles,
    preflight: (input) => (isTwoRoles ? preflightTwoRoles : preflightSingleRole)(input, connector),
    propose: (input) => propose(input, randomPassword(input.settings.policy)),
    install: (input) => (isTwoRoles ? installTwoRoles : installSingleRole)(input, connector),
    test: ({ settings, candidate, incumbentIdentity }) => {
      const { login, username } = parseCredential(candidate, 'candidate', settings.connection);
      return preheat({ login, settings: { ...settings, mode }, clock, connector }, async (session, healthy) => {
        const parity = await proved(session, { settings, username, incumbentIdentity });
        if (isTwoRoles) await assertKeepsRole(session);
        return { healthy, parity };
      });
    },
    probe: (value, settings) => connector.probe(parseCredential(value, 'probed credential', settings.connection).login),
    release: () => connector.release(),
    retire: (input) => (isTwoRoles ? retireTwoRoles : retireSingleRole)(input, connector),
  };
}

async function proved(
  session: Session,
  work: {
    readonly settings: RotatorSettings;
    readonly username: string;
    readonly incumbentIdentity: string | undefined;
  },
): Promise<readonly string[]> {
  const { settings, username, incumbentIdentity } = work;
  // One role with another password can do what it could.
  const isSame = incumbentIdentity === username;
  if (settings.privileges === 'read_only')
    return assertReadOnly(session, settings, isSame ? undefined : incumbentIdentity);
  if (incumbentIdentity === undefined) return [];
  return isSame ? COMPARED : assertParity(session, incumbentIdentity, settings.secretId);
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
