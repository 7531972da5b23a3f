import { Misconfigured } from '../../errors.ts';
import type { InstallInput, InstallReport } from '../rotator.ts';
import { userFor } from './account-names.ts';
import { administratorFor } from './administrator.ts';
import type { Connector } from './connect.ts';
import { parseCredential } from './credential-json.ts';
import { installDualPassword } from './dual-password.ts';
import type { Flavour } from './flavour.ts';
import { readServer } from './server-facts.ts';
import { inTurn } from './turn.ts';
import { installTwoUsers } from './two-users.ts';

/**
 * Sets the candidate at the server, on the connection that preflight has kept or on one, when it is its turn. The
 * candidate's own name says how: the incumbent's user gets a second password, another user is one of two.
 */
export async function install(input: InstallInput, flavour: Flavour, connector: Connector): Promise<InstallReport> {
  const { settings } = input;
  const { secretId, connection } = settings;
  const incumbent =
    input.incumbent === undefined ? undefined : parseCredential(input.incumbent, 'incumbent', connection);
  const candidate = parseCredential(input.candidate, 'candidate', connection);
  const admin = administratorFor(input.admin, settings, { flavour, self: incumbent ?? candidate });
  const alone = incumbent?.username ?? userFor(secretId, flavour.nameCharacters);
  const isDual = candidate.username === alone;
  if (isDual && flavour.type !== 'mysql') {
    throw new Misconfigured(`User "${alone}" cannot be its own candidate on MariaDB, which knows one password a user.`);
  }
  return connector.during(admin.login, admin.refused, (session) =>
    inTurn(session, secretId, async () => {
      const server = await readServer(session, flavour.type);
      const work = { session, flavour, server, settings, incumbent, input, candidate };
      return isDual ? installDualPassword({ ...work, connector }) : installTwoUsers(work);
    }),
  );
}
