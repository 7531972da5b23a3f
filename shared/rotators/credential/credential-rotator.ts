import type { Clock } from '../../clock.ts';
import { CandidateUnproven, Misconfigured, SameAsSurvivor } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import { meetsPolicy, type RandomInteger, randomPassword } from '../password.ts';
import type {
  ChosenRotator,
  Preflight,
  PreflightInput,
  ProposeInput,
  RetireInput,
  RetireReport,
  RotatorSettings,
  TestInput,
  TestReport,
} from '../rotator.ts';
import { frameOf, readShape, type SecretShape, withGenerated } from './secret-shape.ts';

export interface CredentialDependencies {
  readonly clock: Clock;
  /** Default: the machine's. */
  readonly integer?: RandomInteger;
}

/** A policy that leaves hardly any text but the incumbent's. */
const DRAWS = 1_000;
const NO_TARGET = 'none: whoever needs the value reads it from Secrets Manager';

/**
 * Makes a new random text by policy for systems that read it from Secrets Manager. There is no target: nothing is
 * installed, and nobody can refuse a retired value.
 */
export function credentialRotator({ integer }: CredentialDependencies): ChosenRotator {
  return {
    type: 'credential',
    kind: 'chosen',
    overlap: true,
    comparesWith: 'values',
    preflight: async (input) => preflight(input),
    propose: (input) => propose(input, integer),
    install: () => Promise.resolve({ facts: { target: NO_TARGET } }),
    test: async (input) => test(input),
    probe: async (value, { policy }) => {
      readShape(value, 'probed credential', policy);
      return 'accepted';
    },
    release: () => Promise.resolve(),
    retire: async (input) => retire(input),
  };
}

function preflight({ settings, incumbent, versionId, incumbentVersionId }: PreflightInput): Preflight {
  const shape = shapeOf(incumbent, settings);
  // A policy that no text can meet is known now, not once a rotation has begun.
  randomPassword(settings.policy);
  const where = shape?.kind === 'object' ? 'one key of a JSON object' : 'the whole text';
  return {
    candidate: identityOf(versionId),
    incumbent: shape === undefined ? undefined : identityOf(incumbentVersionId),
    facts: { target: NO_TARGET, generated: where },
  };
}

/** Another text than the incumbent's: a short policy may draw the same again. */
function propose({ settings, incumbent }: ProposeInput, integer: RandomInteger | undefined): SecretText {
  const shape = shapeOf(incumbent, settings);
  for (let draw = 0; draw < DRAWS; draw += 1) {
    const generated = randomPassword(settings.policy, integer);
    if (generated !== shape?.generated) return withGenerated(shape, generated, settings.policy);
  }
  throw new Misconfigured('policy leaves no text but the one that the secret has; make length longer.');
}

/** There is nothing to log in to: what is proved is the value itself. */
function test({ settings, candidate, incumbent }: TestInput): TestReport {
  const shape = readShape(candidate, 'candidate', settings.policy);
  if (!meetsPolicy(shape.generated, settings.policy))
    throw new CandidateUnproven('The candidate does not meet its policy.');
  const before = shapeOf(incumbent, settings);
  if (before === undefined) return { healthy: 1, parity: [] };
  if (before.generated === shape.generated) throw new CandidateUnproven("The candidate is the incumbent's value.");
  if (frameOf(before) !== frameOf(shape)) {
    throw new CandidateUnproven('The candidate differs from the incumbent in more than what is generated.');
  }
  return { healthy: 1, parity: ['shape', 'other keys'] };
}

/** Twice is harmless: nothing is done. */
function retire({ value, survivor }: RetireInput): RetireReport {
  if (value !== undefined && value.reveal() === survivor?.reveal()) {
    throw new SameAsSurvivor('The value to retire is the one that must go on working: it is kept.');
  }
  return {
    refusedLogin: false,
    endedSessions: 0,
    facts: { target: NO_TARGET, proof: 'none: there is nobody who could refuse the old value' },
  };
}

function shapeOf(value: SecretText | undefined, { policy }: RotatorSettings): SecretShape | undefined {
  return value === undefined ? undefined : readShape(value, 'incumbent', policy);
}

function identityOf(versionId: string | undefined): string {
  return `credential@${versionId ?? 'unknown'}`;
}
