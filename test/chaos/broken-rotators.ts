import type { InMemoryTarget } from '../fakes/in-memory-target.ts';
import type { ChosenRotator, IssuedRotator, IssueReport, Rotator } from '../../shared/rotators/rotator.ts';

/*
 * Rotators that are wrong on purpose, each in one way that is in use elsewhere. The matrix must show every one of them.
 */

export type Spoil = <Port extends object>(rotator: Port) => Port;

/** Changes `methods` of a rotator; what is not named stays. */
export function spoiling<R extends Rotator>(methods: (rotator: R) => Partial<R>): Spoil {
  return (rotator) => {
    const changed = methods(rotator as unknown as R) as Readonly<Record<PropertyKey, unknown>>;
    return new Proxy(rotator, {
      get: (target, key) => {
        if (key in changed) return changed[key];
        const member: unknown = Reflect.get(target, key, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  };
}

/** Has the credential made first and writes it down afterwards. */
export const persistsAfterMutating: Spoil = (() => {
  const made = new Map<string, IssueReport>();
  return spoiling<IssuedRotator>((rotator) => ({
    preflight: async (input) => {
      const answer = await rotator.preflight(input);
      const issuance = { since: new Date(), existing: answer.existing ?? [], attempts: 1 };
      const startedAt = new Date();
      made.set(input.versionId, await rotator.issue({ ...input, candidate: answer.candidate, startedAt, issuance }));
      return { ...answer, existing: [] };
    },
    issue: async ({ versionId }) => made.get(versionId) ?? Promise.reject(new Error('never made')),
  }));
})();

/** Asks again when an answer is late, as HTTP clients do by default. */
export const retriesCreateBlindly: Spoil = spoiling<IssuedRotator>((rotator) => ({
  issue: async (input) => {
    await rotator.issue({ ...input, issuance: { ...input.issuance, attempts: 1 } });
    return rotator.issue({ ...input, issuance: { ...input.issuance, attempts: 1 } });
  },
}));

/** Calls a credential dead without ending it. */
export const believesItself: Spoil = spoiling<ChosenRotator>(() => ({
  retire: async () => ({ refusedLogin: true, endedSessions: 0, facts: {} }),
}));

/** Ends the incumbent when the candidate comes, as AWS's single-user template does between setSecret and finishSecret. */
export const hasOneUser: Spoil = spoiling<ChosenRotator>((rotator) => ({
  install: async (input) => {
    const report = await rotator.install(input);
    const { accounts } = rotator as unknown as InMemoryTarget;
    const { username } = JSON.parse(input.incumbent?.reveal() ?? '{}') as { readonly username?: string };
    const account = accounts.get(username ?? '');
    if (username !== undefined && account !== undefined) accounts.set(username, { ...account, password: undefined });
    return report;
  },
}));
