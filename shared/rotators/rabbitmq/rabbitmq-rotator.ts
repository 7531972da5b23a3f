import type { Clock } from '../../clock.ts';
import { Misconfigured } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import { randomPassword } from '../password.ts';
import type { ChosenRotator, ProposeInput, RotatorSettings, TestInput, TestReport } from '../rotator.ts';
import { managementLogin } from './administrator.ts';
import { AmqpLogins, type LoginOutcome } from './amqp-login.ts';
import { type Broker, managing } from './broker.ts';
import { candidateJson, parseCredential } from './credential-json.ts';
import { assertParity } from './parity.ts';
import { preheat } from './preheat.ts';
import { retireUser } from './retire-user.ts';
import { Transport } from './transport.ts';
import { installTwoUsers, preflightTwoUsers, requireIncumbent } from './two-users.ts';

export interface RabbitmqDependencies {
  readonly clock: Clock;
  /** Told of every AMQP login that ends: for counting. */
  readonly onLogin?: (outcome: LoginOutcome) => void;
}

/**
 * Rotates users of RabbitMQ's own database: two that take turns, with equal tags, permissions and limits, side by side
 * until retirement. Changed by the management API as an administrator, tried by AMQP as the user.
 */
export function rabbitmqRotator({ clock, onLogin }: RabbitmqDependencies): ChosenRotator {
  const transport = new Transport();
  const broker: Broker = { clock, transport, logins: new AmqpLogins(transport, onLogin) };
  return {
    type: 'rabbitmq',
    kind: 'chosen',
    overlap: true,
    comparesWith: 'values',
    preflight: (input) => preflightTwoUsers(input, broker),
    propose: (input) => propose(input),
    install: (input) => installTwoUsers(input, broker),
    test: (input) => test(input, broker),
    probe: (value, settings) => probe(value, settings, broker),
    // Every connection has been closed by whoever opened it.
    release: () => Promise.resolve(),
    retire: (input) => retireUser(input, broker),
  };
}

function propose(input: ProposeInput): SecretText {
  const password = randomPassword(input.settings.policy);
  return candidateJson(requireIncumbent(input), { username: input.candidate, password });
}

async function test(input: TestInput, broker: Broker): Promise<TestReport> {
  const { settings, incumbentIdentity } = input;
  const { login, username } = parseCredential(input.candidate, 'candidate', settings.connection);
  const admin = incumbentIdentity === undefined ? undefined : managementLogin(input.admin, settings, login);
  const healthy = await preheat(login, settings, broker);
  if (incumbentIdentity === undefined || admin === undefined) return { healthy, parity: [] };
  const compared = { candidate: username, incumbent: incumbentIdentity };
  const parity = await managing(broker, admin, (management) => assertParity(management, compared));
  return { healthy, parity };
}

async function probe(value: SecretText, settings: RotatorSettings, broker: Broker): Promise<'accepted' | 'refused'> {
  const { login } = parseCredential(value, 'probed credential', settings.connection);
  const result = await broker.logins.login(login);
  // As many are logged in with it as may be: it opens the broker.
  if (result.kind === 'full') return 'accepted';
  if (result.kind !== 'no vhost') return result.kind;
  throw new Misconfigured(
    `The broker knows the credential, but does not open virtual host ${JSON.stringify(login.vhost)} to it: it is not there, it is down, or the user has no permissions in it.`,
    { cause: result.cause },
  );
}
