import type { Clock } from '../../clock.ts';
import { IncumbentRefused } from '../../errors.ts';
import { ownEnd } from '../provider-api/own-end.ts';
import { preheat } from '../provider-api/preheat.ts';
import { providerFetch } from '../provider-api/provider-fetch.ts';
import type { IssuedRotator, Preflight, PreflightInput, RotatorSettings, TestInput, TestReport } from '../rotator.ts';
import { findIncumbent } from './find-key.ts';
import { issueKey } from './issue-key.ts';
import { preliminaryIdentity } from './key-names.ts';
import type { KeyProvider } from './key-provider.ts';
import { assertKeyOnce, parseKeySecret } from './key-secret.ts';
import { assertParity, assertPermitted } from './parity.ts';
import { providerOf } from './providers.ts';
import { retireKey } from './retire-key.ts';

export interface ApiKeyDependencies {
  readonly clock: Clock;
  readonly fetch?: typeof fetch;
  /** Until an answer must have arrived whole. */
  readonly answerMilliseconds?: number;
}

/**
 * Rotates API keys of one owner at a provider (OpenAI: a service account). Keys are named by version and attempt, so that
 * one whose answer was lost is found; the provider's id of each is what the ledger knows it by.
 */
export function apiKeyRotator({ clock, fetch, answerMilliseconds }: ApiKeyDependencies): IssuedRotator {
  const open = (settings: RotatorSettings) =>
    providerOf(settings, { fetch: providerFetch(settings.provider, { fetch, answerMilliseconds }), clock });
  return {
    type: 'api_key',
    kind: 'issued',
    overlap: true,
    comparesWith: 'values',
    preflight: async (input) => preflight(input, open(input.settings), clock),
    issue: async (input) => issueKey(input, open(input.settings).administration(input.admin)),
    test: async (input) => test(input, open(input.settings), clock),
    probe: async (value, settings) => {
      const { key } = parseKeySecret(value, 'probed credential');
      return (await open(settings).tryKey(key)) === undefined ? 'refused' : 'accepted';
    },
    retire: async (input) => retireKey(input, open(input.settings), clock),
    release: async () => {
      // Keeps nothing open.
    },
  };
}

async function preflight(input: PreflightInput, provider: KeyProvider, clock: Clock): Promise<Preflight> {
  const { admin, versionId, incumbentVersionId, known } = input;
  const incumbent = input.incumbent === undefined ? undefined : parseKeySecret(input.incumbent, 'incumbent');
  if (incumbent !== undefined) assertKeyOnce(incumbent);
  const administration = provider.administration(admin);
  const { owner } = administration;
  await administration.assertOwner();
  const keys = await administration.keys();
  const candidate = preliminaryIdentity(versionId);
  const facts = { api: provider.place, owner, keys: String(keys.length), ...administration.facts };
  if (incumbent === undefined) return { candidate, incumbent: undefined, facts };
  if ((await provider.tryKey(incumbent.key)) === undefined) {
    // One that has ended by itself, as it was to, stands in no rotation's way; the provider may list it no more.
    const end = ownEnd(known, incumbentVersionId, clock.now());
    if (end === undefined) throw new IncumbentRefused(`${provider.place} refuses the incumbent's key.`);
    const ended = `refused: it ended by itself at ${end.toISOString()}, and this rotation replaces it`;
    const identity = known.find((entry) => entry.versionId === incumbentVersionId)?.identity;
    return { candidate, incumbent: identity, facts: { ...facts, incumbent: ended } };
  }
  const id = findIncumbent(incumbent, keys, { known, versionId: incumbentVersionId, owner });
  return { candidate, incumbent: id, facts };
}

async function test(input: TestInput, provider: KeyProvider, clock: Clock): Promise<TestReport> {
  const { settings, incumbent } = input;
  const { key: candidate } = parseKeySecret(input.candidate, 'candidate');
  const { healthy, found: tried } = await preheat({ clock, settings }, async () => {
    const found = await provider.tryKey(candidate);
    if (found !== undefined) await assertPermitted(provider, candidate);
    return found;
  });
  const proved = Object.keys(provider.promised()).map((permission) => `permission ${permission}`);
  if (incumbent === undefined) return { healthy, parity: proved };
  const { key } = parseKeySecret(incumbent, 'incumbent');
  const isNarrowed = (settings.permissions ?? []).length > 0;
  const compared = await assertParity({ provider, candidate, incumbent: key, tried, isNarrowed });
  return { healthy, parity: [...proved, ...compared] };
}
