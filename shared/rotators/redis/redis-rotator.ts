import type { Clock } from '../../clock.ts';
import { CandidateUnproven, TransientFailure } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import { randomPassword } from '../password.ts';
import type { ChosenRotator, ProposeInput, RotatorSettings, TestInput, TestReport } from '../rotator.ts';
import { quoted } from './acl-user.ts';
import { Connector, type LoginOutcome } from './connect.ts';
import { candidateJson, parseCredential } from './credential-json.ts';
import { loginAt, userOf } from './identity.ts';
import { install } from './install.ts';
import { nodesOf, onEvery, placesOf } from './nodes.ts';
import { preflight } from './preflight.ts';
import { preheat } from './preheat.ts';
import { retire } from './retire.ts';

export interface RedisDependencies {
  readonly clock: Clock;
  /** Told of every login that ends: for counting. */
  readonly onConnect?: (outcome: LoginOutcome) => void;
}

/** One user has both passwords, so these are equal by what a password is; `install` has seen that it changed none. */
const COMPARED = ['user', 'commands', 'keys', 'channels', 'selectors'] as const;

/**
 * Rotates the password of a Redis user (ACL, Redis 6.0): the user has the incumbent's and the candidate's side by side
 * until the incumbent's is taken away. Only hashes are sent; nothing else of the user changes. Every declared server is
 * changed and checked, because each keeps users of its own.
 */
export function redisRotator({ clock, onConnect }: RedisDependencies): ChosenRotator {
  const connector = new Connector(onConnect);
  return {
    type: 'redis',
    kind: 'chosen',
    overlap: true,
    preflight: (input) => preflight(input, connector),
    propose,
    install: (input) => install(input, connector),
    test: (input) => test(input, { clock, connector }),
    probe: (value, settings) => probe(value, settings, connector),
    // No connection outlives the call that it was opened for.
    release: () => Promise.resolve(),
    retire: (input) => retire(input, { connector, clock }),
  };
}

function propose({ incumbent, settings }: ProposeInput): SecretText {
  const { connection, policy } = settings;
  return candidateJson({
    incumbent: incumbent === undefined ? undefined : parseCredential(incumbent, 'incumbent', connection),
    connection,
    password: randomPassword(policy),
  });
}

async function test(
  { settings, candidate: value, incumbentIdentity }: TestInput,
  tools: { readonly clock: Clock; readonly connector: Connector },
): Promise<TestReport> {
  const candidate = parseCredential(value, 'candidate', settings.connection);
  if (incumbentIdentity !== undefined && userOf(incumbentIdentity) !== candidate.username) {
    throw new CandidateUnproven(`The candidate is for user ${quoted(candidate.username)}, the incumbent for another.`);
  }
  const healthy = await preheat({ candidate, settings, ...tools });
  return { healthy, parity: incumbentIdentity === undefined ? [] : COMPARED };
}

/** One login at every server; where they do not agree, that is a `TransientFailure`, not an answer. */
async function probe(
  value: SecretText,
  settings: RotatorSettings,
  connector: Connector,
): Promise<'accepted' | 'refused'> {
  const credential = parseCredential(value, 'probed credential', settings.connection);
  const nodes = nodesOf(credential.login, settings.connection);
  const answers = await onEvery(nodes, (node) => connector.probe(loginAt(credential, node)));
  const refusing = nodes.filter((_, index) => answers[index] === 'refused');
  if (refusing.length === 0) return 'accepted';
  if (refusing.length === nodes.length) return 'refused';
  throw new TransientFailure(`The login is refused at ${placesOf(refusing)} and accepted elsewhere.`);
}
