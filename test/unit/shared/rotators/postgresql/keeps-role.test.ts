import { expect, it } from 'vitest';
import { CandidateUnproven } from '../../../../../shared/errors.ts';
import type { Session } from '../../../../../shared/rotators/postgresql/connect.ts';
import { assertKeepsRole } from '../../../../../shared/rotators/postgresql/keeps-role.ts';

/** A session of `login` that acts as `owner`, and as `cleared` after `DISCARD ALL`. */
function sessionThatIs(cleared: string): Session {
  let role = 'owner';
  const unexpected = async () => Promise.reject(new Error('not expected'));
  return {
    isEncrypted: true,
    raw: unexpected,
    end: unexpected,
    query: async (_doing, text) => {
      if (text === 'DISCARD ALL') role = cleared;
      return [{ role }] as never;
    },
  };
}

it('takes a session that acts as the same role after DISCARD ALL', async () => {
  await expect(assertKeepsRole(sessionThatIs('owner'))).resolves.toBeUndefined();
});

// As PostgreSQL 15.8 answers; the tests have no server so old.
it('refuses a session that acts as its login after DISCARD ALL, and says which server would not', async () => {
  const fault = await assertKeepsRole(sessionThatIs('login')).catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(CandidateUnproven);
  expect((fault as CandidateUnproven).safeMessage).toMatch(/act as role "login", not as "owner".*15\.10/);
});
