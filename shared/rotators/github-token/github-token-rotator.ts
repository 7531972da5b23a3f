import type { Clock } from '../../clock.ts';
import { CandidateUnproven, Misconfigured } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { IssuedRotator, Preflight, PreflightInput, RotatorSettings, TestInput, TestReport } from '../rotator.ts';
import { parseApp } from './app-key.ts';
import { GitHubApi, type Reach } from './github-api.ts';
import { nameOf, readNarrowing } from './installation.ts';
import { issueToken } from './issue-token.ts';
import { preheat } from '../provider-api/preheat.ts';
import { providerAddress } from '../provider-api/provider-address.ts';
import { providerFetch } from '../provider-api/provider-fetch.ts';
import { retireToken } from './retire-token.ts';
import {
  assertTokenOnce,
  isPersonal,
  isRefreshToken,
  looksLikeToken,
  parseTokenSecret,
  type TokenSecret,
} from './token-secret.ts';

export interface GitHubTokenDependencies {
  readonly clock: Clock;
  readonly fetch?: typeof fetch;
  /** Until an answer must have arrived whole. */
  readonly answerMilliseconds?: number;
}

const GITHUB = 'https://api.github.com';

/**
 * Rotates installation tokens of a GitHub App. GitHub makes any number of them, each ends after an hour, none can be
 * listed or named, and only its own value can end one before. So a token that GitHub refuses has ended, as is its nature:
 * it stands in no rotation's way.
 */
export function githubTokenRotator({ clock, fetch, answerMilliseconds }: GitHubTokenDependencies): IssuedRotator {
  const open = ({ provider }: RotatorSettings) =>
    new GitHubApi({
      baseUrl: providerAddress(provider?.baseUrl, GITHUB),
      clock,
      fetch: providerFetch(provider, { fetch, answerMilliseconds }),
    });
  return {
    type: 'github_token',
    kind: 'issued',
    overlap: true,
    comparesWith: 'values',
    preflight: async (input) => preflight(input, open(input.settings)),
    issue: async (input) => issueToken(input, open(input.settings), clock),
    test: async (input) => test(input, open(input.settings), clock),
    probe: async (value, settings) => {
      const { token } = parseTokenSecret(value, 'probed credential');
      return (await open(settings).reach(token)) === undefined ? 'refused' : 'accepted';
    },
    retire: async (input) => retireToken(input, open(input.settings), clock),
    release: async () => {
      // Keeps nothing open.
    },
  };
}

async function preflight(input: PreflightInput, github: GitHubApi): Promise<Preflight> {
  const { settings, admin, versionId, incumbentVersionId, known } = input;
  const app = parseApp(admin, settings);
  const incumbent = input.incumbent === undefined ? undefined : parseTokenSecret(input.incumbent, 'incumbent');
  if (incumbent !== undefined) assertTokenOnce(incumbent);
  const { facts } = await readNarrowing(github, app, settings);
  const name = (version: string) => `installation ${app.installationId} token ${version}`;
  const candidate = name(versionId);
  if (incumbent === undefined) return { candidate, incumbent: undefined, facts };
  const isOurs = known.some((entry) => entry.versionId === incumbentVersionId && entry.issuance !== undefined);
  const found = await incumbentFact(incumbent, isOurs, github);
  return {
    candidate,
    incumbent: name(incumbentVersionId ?? 'made by hand'),
    facts: { ...facts, incumbent: found },
  };
}

/** What the incumbent is, for people. Throws `Misconfigured` for a text that cannot have been a token of GitHub's. */
async function incumbentFact({ token }: TokenSecret, isOurs: boolean, github: GitHubApi): Promise<string> {
  const reach = await github.reach(token);
  if (reach === undefined) {
    if (isRefreshToken(token)) {
      throw new Misconfigured("The incumbent's secret holds a refresh token (ghr_…), which opens nothing: replace it.");
    }
    if (isOurs || looksLikeToken(token)) return 'refused: it has ended, and this rotation replaces it';
    throw new Misconfigured(
      `The incumbent's secret holds no token of GitHub's: ${github.place} refuses it, and it does not look like one.`,
    );
  }
  if (!isPersonal(token)) return 'works';
  return 'works; made for a person: when it is retired, GitHub is asked to revoke it and tells that person; where GitHub does not, that person must delete it';
}

async function test(input: TestInput, github: GitHubApi, clock: Clock): Promise<TestReport> {
  const { settings } = input;
  const { token } = parseTokenSecret(input.candidate, 'candidate');
  const { healthy, found } = await preheat({ clock, settings }, async () => {
    const reach = await github.reach(token);
    if (reach !== undefined && reach.repositories === undefined) await assertListsNone(input, github);
    return reach;
  });
  const expected = await expectedReach(input, github);
  if (expected === undefined || found.repositories === undefined) return { healthy, parity: [] };
  if (expected.repositories === found.repositories) return { healthy, parity: ['repositories'] };
  throw new CandidateUnproven(
    `The candidate reaches ${found.repositories} repositories, ${expected.by} ${expected.repositories}: declare repositories of the provider.`,
  );
}

/**
 * That it is right that the candidate is shown no repositories: its rights are not for any, and a live incumbent is shown
 * none either. Else (its installation is suspended, an allowlist of addresses) it authenticates, and is of no use.
 */
async function assertListsNone({ settings, admin, incumbent }: TestInput, github: GitHubApi): Promise<void> {
  const { isForRepositories } = await readNarrowing(github, parseApp(admin, settings), settings);
  if (isForRepositories) {
    throw new CandidateUnproven(
      `${github.place} takes the candidate and lets it at no repository (HTTP 403), although its permissions are for repositories: see whether the installation is suspended, or an allowlist of addresses keeps it out.`,
    );
  }
  if ((await reachOf(incumbent, github))?.repositories !== undefined) {
    throw new CandidateUnproven(
      `${github.place} lists repositories to the incumbent, and none to the candidate (HTTP 403).`,
    );
  }
}

interface Expected {
  readonly repositories: number;
  readonly by: string;
}

/** By what is declared, else by what the incumbent reaches, while it lives. */
async function expectedReach({ settings, incumbent }: TestInput, github: GitHubApi): Promise<Expected | undefined> {
  const declared = settings.provider?.repositories;
  if (declared !== undefined) return { repositories: new Set(declared.map(nameOf)).size, by: 'the declaration names' };
  const reach: Reach | undefined = await reachOf(incumbent, github);
  if (reach?.repositories === undefined) return undefined;
  return { repositories: reach.repositories, by: 'the incumbent' };
}

async function reachOf(value: SecretText | undefined, github: GitHubApi): Promise<Reach | undefined> {
  return value === undefined ? undefined : await github.reach(parseTokenSecret(value, 'incumbent').token);
}
