import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RotationEnded } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import type { KnownCredential } from '../../shared/rotators/rotator.ts';
import { Connector, type Session } from '../../shared/rotators/postgresql/connect.ts';
import { parseCredential } from '../../shared/rotators/postgresql/credential-json.ts';
import { endSessions } from '../../shared/rotators/postgresql/end-role.ts';
import { parsed, PostgresHarness, SECRET_ID } from './postgresql-harness.ts';

let postgres: PostgresHarness;
let owner = 0;
let name: string;
let incumbent: SecretText;
/** A superuser whose transactions see, unless told otherwise, what was there when they began. */
let admin: SecretText;
let earlier: { readonly versionId: string; readonly startedAt: Date; readonly candidate: SecretText };

beforeAll(async () => {
  postgres = await PostgresHarness.start();
  admin = await postgres.createLogin('boss', 'SUPERUSER');
  await postgres.sql(`ALTER ROLE boss SET default_transaction_isolation = 'repeatable read'`);
});
afterAll(() => postgres.stop());
beforeEach(async () => {
  owner += 1;
  name = `app${owner}`;
  incumbent = await postgres.createLogin(name);
  const candidate = postgres.secret({ ...parsed(incumbent), username: `${name}_a`, password: 'x'.repeat(32) });
  earlier = { versionId: 'v1', startedAt: postgres.nextStart(), candidate };
});
afterEach(() => postgres.closeSessions());

describe('the install of an earlier rotation, come late', () => {
  it('is refused, and leaves the role as the later one has made it', async () => {
    const later = await postgres.bringIn({ incumbent, versionId: 'v2', known: retired('v1') });
    const before = await role();
    await expect(install()).rejects.toBeInstanceOf(RotationEnded);
    expect(await role()).toEqual(before);
    expect(await opens(later)).toBe('accepted');
    expect(await opens(earlier.candidate)).toBe('refused');
  });

  it('is refused by another that started in the same millisecond: neither overwrites the other', async () => {
    await install();
    const before = await role();
    await expect(install({ versionId: 'v2' })).rejects.toBeInstanceOf(RotationEnded);
    expect(await role()).toEqual(before);
  });

  it('is refused also after the later one was taken back', async () => {
    const later = await postgres.bringIn({ incumbent, versionId: 'v2', known: retired('v1') });
    await retire({ versionId: 'v2', value: later });
    await expect(install()).rejects.toBeInstanceOf(RotationEnded);
    expect(await role()).toMatchObject({ canLogin: false });
  });

  it('is refused also when the later one comes first while it waits for its turn', async () => {
    const release = await postgres.holdLock(SECRET_ID);
    const refused = expect(install()).rejects.toBeInstanceOf(RotationEnded);
    await postgres.somebodyWaits();
    await postgres.sql(`CREATE ROLE ${name}_a; COMMENT ON ROLE ${name}_a IS '${madeFor('v2')}'`);
    await release();
    await refused;
    expect(await role()).toMatchObject({ canLogin: false, comment: madeFor('v2') });
  });

  it('makes way when it was first: the later one takes the role', async () => {
    await install();
    const startedAt = postgres.nextStart();
    const candidate = postgres.secret({ ...parsed(earlier.candidate), password: 'y'.repeat(32) });
    await install({ versionId: 'v2', startedAt, candidate });
    expect(await opens(candidate)).toBe('accepted');
    expect(await role()).toMatchObject({
      comment: `managed by Rekey for ${SECRET_ID}; installed ${startedAt.toISOString()} v2`,
    });
  });

  it('is not refused by a role that does not say for which rotation it was installed', async () => {
    await postgres.sql(`CREATE ROLE ${name}_a; COMMENT ON ROLE ${name}_a IS 'managed by Rekey for ${SECRET_ID}'`);
    await install();
    expect(await opens(earlier.candidate)).toBe('accepted');
  });
});

describe('the install of a rotation whose candidate has been ended', () => {
  it('is refused, and the role stays closed for the next rotation', async () => {
    await install();
    await retire({ value: earlier.candidate });
    await expect(install()).rejects.toBeInstanceOf(RotationEnded);
    expect(await role()).toMatchObject({
      canLogin: false,
      comment: `managed by Rekey for ${SECRET_ID}; ended ${earlier.startedAt.toISOString()} v1`,
    });
    expect(await opens(earlier.candidate)).toBe('refused');
    const next = await postgres.bringIn({ incumbent, versionId: 'v2', known: retired('v1') });
    expect(await opens(next)).toBe('accepted');
  });

  it('may be ended once more, also after a try that died before the mark', async () => {
    await install();
    await postgres.sql(`ALTER ROLE ${name}_a NOLOGIN`);
    for (let time = 0; time < 2; time += 1) {
      expect(await retire({ value: earlier.candidate })).toMatchObject({ refusedLogin: true });
      await expect(install()).rejects.toBeInstanceOf(RotationEnded);
    }
  });
});

describe('sessions of a role that was closed', () => {
  async function ending(work: (session: Session) => Promise<unknown>): Promise<void> {
    const connector = new Connector();
    const session = await connector.login(parseCredential(admin, 'administrator').login);
    if ('refused' in session) throw new Error('refused');
    await work(session);
    await session.end();
  }

  it('end while it stays closed', async () => {
    await install();
    const open = [await postgres.open(earlier.candidate), await postgres.open(earlier.candidate)];
    await postgres.sql(`ALTER ROLE ${name}_a NOLOGIN`);
    await ending(async (session) => {
      expect(await endSessions(session, `${name}_a`, SECRET_ID)).toEqual({ ended: 2 });
    });
    for (const client of open) await expect(client.query('SELECT 1')).rejects.toThrow();
  });

  it('are left alone once a later rotation has the role: also when it takes it while the end waits for its turn', async () => {
    await install();
    await postgres.open(earlier.candidate);
    await postgres.sql(`ALTER ROLE ${name}_a NOLOGIN`);
    const release = await postgres.holdLock(SECRET_ID);
    await ending(async (session) => {
      const answer = endSessions(session, `${name}_a`, SECRET_ID);
      await postgres.somebodyWaits();
      await postgres.sql(`ALTER ROLE ${name}_a LOGIN PASSWORD 'that of the later rotation'`);
      const later = await postgres.open(
        postgres.secret({ ...parsed(earlier.candidate), password: 'that of the later rotation' }),
      );
      await release();
      expect(await answer).toMatchObject({ left: 'in use again' });
      expect((await later.query('SELECT 1 AS x')).rows).toEqual([{ x: 1 }]);
    });
  });
});

describe('the end of an earlier credential, come late', () => {
  it('leaves the role, and its sessions, to the later one, and proves the earlier value refused', async () => {
    const later = await postgres.bringIn({ incumbent, versionId: 'v2', known: retired('v1') });
    const session = await postgres.open(later);
    const before = await role();
    expect(await retire({ value: earlier.candidate })).toMatchObject({
      refusedLogin: true,
      endedSessions: 0,
      facts: { role: 'it is installed for another version: left alone' },
    });
    expect(await role()).toEqual(before);
    expect(await opens(later)).toBe('accepted');
    expect((await session.query('SELECT 1 AS x')).rows).toEqual([{ x: 1 }]);
  });

  it('leaves it also when the earlier version has no value: then it was never installed', async () => {
    const later = await postgres.bringIn({ incumbent, versionId: 'v2', known: retired('v1') });
    expect(await retire({ value: undefined })).toMatchObject({ refusedLogin: false, endedSessions: 0 });
    expect(await opens(later)).toBe('accepted');
  });

  it('leaves it also when the later one takes it while the end waits for its turn', async () => {
    await install();
    const release = await postgres.holdLock(SECRET_ID);
    const retiring = retire({ value: earlier.candidate });
    await postgres.somebodyWaits();
    await postgres.sql(`ALTER ROLE ${name}_a PASSWORD 'that of the later rotation'`);
    await postgres.sql(`COMMENT ON ROLE ${name}_a IS '${madeFor('v2')}'`);
    await release();
    expect(await retiring).toMatchObject({ refusedLogin: true });
    expect(await role()).toMatchObject({ canLogin: true, comment: madeFor('v2') });
  });

  it('closes a role that takes the value all the same: a version that somebody copied by hand', async () => {
    await install();
    await postgres.open(earlier.candidate);
    const work = { versionId: 'by hand', value: earlier.candidate };
    expect(await retire({ ...work, endSessions: false })).toMatchObject({ refusedLogin: true, endedSessions: 0 });
    // A try that closed the role and died: the next one ends the sessions.
    expect(await retire(work)).toMatchObject({ refusedLogin: true, endedSessions: 1 });
    expect(await role()).toMatchObject({ canLogin: false });
  });
});

function install(rotation: Partial<typeof earlier> = {}) {
  return postgres.rotator().install({ settings: postgres.settings(), admin, incumbent, ...earlier, ...rotation });
}

function retire(work: {
  readonly versionId?: string;
  readonly value: SecretText | undefined;
  readonly endSessions?: boolean;
}) {
  const { versionId = earlier.versionId, value, endSessions = true } = work;
  const settings = postgres.settings({ endSessions });
  return postgres.rotator().retire({ settings, admin, identity: `${name}_a`, versionId, value, survivor: incumbent });
}

function opens(value: SecretText) {
  return postgres.rotator().probe(value, postgres.settings());
}

function retired(versionId: string): readonly KnownCredential[] {
  return [{ identity: `${name}_a`, versionId, state: 'retired' }];
}

/** The comment of a role that a rotation in the year 2099 has taken. */
function madeFor(versionId: string): string {
  return `managed by Rekey for ${SECRET_ID}; installed 2099-01-01T00:00:00.000Z ${versionId}`;
}

async function role() {
  const [found] = await postgres.sql(
    `SELECT rolcanlogin AS "canLogin", rolpassword AS verifier, shobj_description(oid, 'pg_authid') AS comment
       FROM pg_authid WHERE rolname = $1`,
    [`${name}_a`],
  );
  return found;
}
