import type { Clock } from '../../clock.ts';
import type { SecretText } from '../../redact.ts';
import { type RandomInteger, randomPassword } from '../password.ts';
import type { ChosenRotator, ProposeInput, TestInput } from '../rotator.ts';
import { onlyAccount, readModel } from './two-users.ts';
import { userOf } from './account-names.ts';
import { administratorFor } from './administrator.ts';
import { Connector, type Limits, type LoginOutcome, type Session } from './connect.ts';
import { candidateJson, type Credential, parseCredential } from './credential-json.ts';
import type { Flavour } from './flavour.ts';
import { readGrants } from './grants.ts';
import { install } from './install.ts';
import { assertSame, COMPARED, COMPARED_READ_ONLY } from './parity.ts';
import { preflight } from './preflight.ts';
import { preheat } from './preheat.ts';
import { proveReadOnly } from './read-only-proof.ts';
import { retire } from './retire.ts';
import { readServer } from './server-facts.ts';

export interface AccountDependencies {
  readonly clock: Clock;
  /** Told of every login that ends: for counting. */
  readonly onConnect?: ((outcome: LoginOutcome) => void) | undefined;
  /** Shorter or longer than usual. */
  readonly limits?: Partial<Limits> | undefined;
  /** Where passwords come from; as a rule the system's random numbers. */
  readonly integer?: RandomInteger | undefined;
}

/** The rotator for one kind of server. */
export function accountRotator(flavour: Flavour, dependencies: AccountDependencies): ChosenRotator {
  const { clock, onConnect, limits, integer } = dependencies;
  const connector = new Connector(onConnect, flavour.authPlugins, limits);
  return {
    type: flavour.type,
    kind: 'chosen',
    overlap: true,
    comparesWith: 'values',
    preflight: (input) => preflight(input, flavour, connector),
    propose: (input) => propose(input, flavour, randomPassword(input.settings.policy, integer)),
    install: (input) => install(input, flavour, connector),
    test: (input) => {
      const { settings } = input;
      const candidate = parseCredential(input.candidate, 'candidate', settings.connection);
      return preheat({ login: candidate.login, settings, clock, connector }, async (session, healthy) => {
        const parity = await compare(input, { flavour, connector, candidate });
        if (settings.privileges === 'read_only') await proveReadOnly(session, flavour);
        return { healthy, parity };
      });
    },
    probe: (value, settings) => connector.probe(parseCredential(value, 'probed credential', settings.connection).login),
    release: () => connector.release(),
    retire: (input) => retire(input, flavour, connector),
  };
}

function propose(
  { incumbent, settings, candidate, versionId }: ProposeInput,
  flavour: Flavour,
  password: string,
): SecretText {
  const { connection } = settings;
  return candidateJson({
    engine: flavour.type,
    incumbent: incumbent === undefined ? undefined : parseCredential(incumbent, 'incumbent', connection),
    connection,
    username: flavour.type === 'mysql' ? userOf(candidate, versionId) : candidate,
    password,
  });
}

/** One user with another password can do what it could; of two users the administrator sees what each has. */
async function compare(
  { settings, incumbentIdentity, incumbent, admin }: TestInput,
  work: { readonly flavour: Flavour; readonly connector: Connector; readonly candidate: Credential },
): Promise<readonly string[]> {
  const { flavour, connector, candidate } = work;
  if (incumbentIdentity === undefined || incumbent === undefined) return [];
  const replaced = parseCredential(incumbent, 'incumbent', settings.connection);
  if (replaced.username === candidate.username) return COMPARED;
  const { login, refused } = administratorFor(admin, settings, { flavour, self: replaced });
  await connector.during(login, refused, async (session: Session) => {
    const server = await readServer(session, flavour.type);
    const expected = await readModel({ session, flavour, server, settings, incumbent: replaced });
    const account = onlyAccount(await flavour.readAccounts(session, candidate.username), candidate.username);
    const found = {
      limits: account.limits,
      defaultRoles: await flavour.readDefaultRoles(session, account, server),
      grants: await readGrants(session, account),
    };
    await assertSame(session, found, expected);
  });
  return settings.privileges === 'read_only' ? COMPARED_READ_ONLY : COMPARED;
}
