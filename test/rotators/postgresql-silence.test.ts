import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TransientFailure } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { Connector, type Limits, type Session } from '../../shared/rotators/postgresql/connect.ts';
import { parseCredential } from '../../shared/rotators/postgresql/credential-json.ts';
import { inTransaction } from '../../shared/rotators/postgresql/transaction.ts';
import { startFreezingProxy } from './mysql-proxy.ts';
import { parsed, PostgresHarness, usernameOf } from './postgresql-harness.ts';

let postgres: PostgresHarness;
let owner = 0;
let incumbent: SecretText;

beforeAll(async () => {
  postgres = await PostgresHarness.start();
});
afterAll(() => postgres.stop());
beforeEach(async () => {
  owner += 1;
  incumbent = await postgres.createLogin(`app${owner}`);
});

async function during(limits: Partial<Limits>, work: (session: Session) => Promise<unknown>): Promise<unknown> {
  const connector = new Connector(undefined, limits);
  const { login } = parseCredential(postgres.admin, 'administrator');
  try {
    return await connector.during(login, () => new Error('refused'), work);
  } finally {
    await connector.release();
  }
}

describe('a server that says nothing any more', () => {
  const limits = { connectMilliseconds: 1_500, queryMilliseconds: 1_500, leaveMilliseconds: 50 };

  it.each([
    ['while another run is waited for', ['pg_advisory_xact_lock']],
    ['when the turn has come', ['pg_advisory_xact_lock', 'rolconnlimit']],
    ['while the password is set', ['LOGIN PASSWORD']],
    ['while it is committed', ['LOGIN PASSWORD', 'COMMIT']],
  ])('is left in time: %s', async (_, texts) => {
    const values = { settings: postgres.settings(), versionId: 'v1', startedAt: postgres.nextStart() };
    const proxy = await startFreezingProxy(postgres.server.port, texts);
    const away = (value: SecretText) => postgres.secret({ ...parsed(value), port: proxy.port });
    const candidate = away(postgres.secret({ username: `${usernameOf(incumbent)}_a`, password: 'x'.repeat(32) }));
    const through = { ...values, admin: away(postgres.admin), incumbent: away(incumbent), candidate };
    const rotator = postgres.rotator('two_roles', limits);
    await expect(rotator.install(through)).rejects.toBeInstanceOf(TransientFailure);
    // Comes to an end only when every connection has.
    await rotator.release();
    await proxy.stop();
  });

  it('is asked nothing more: not even to roll back', async () => {
    const asked: string[] = [];
    const answer = during({ queryMilliseconds: 200 }, (session) => {
      const recorded: Session = {
        ...session,
        raw: async (text) => {
          await session.raw(text).catch((error: Error) => {
            asked.push(`${text}: ${error.message}`);
            throw error;
          });
        },
      };
      return inTransaction(recorded, 'read only', () => session.query('waiting', 'SELECT pg_sleep(5)'));
    });
    await expect(answer).rejects.toThrow(/time limit/);
    // Behind the statement without an answer it would have waited as long again.
    expect(asked).toEqual([expect.not.stringContaining('timeout')]);
  });

  it('gives free what a transaction holds, a minute after the client has gone without a word', async () => {
    const limit = during({}, (session) =>
      inTransaction(session, 'read write', () =>
        session.query('reading', `SELECT current_setting('idle_in_transaction_session_timeout') AS "limit"`),
      ),
    );
    expect(await limit).toEqual([{ limit: '1min' }]);
  });
});
