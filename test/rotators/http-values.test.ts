import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HttpDeclaration } from '../../shared/config/declaration.ts';
import { CandidateUnproven, IncumbentRefused, Misconfigured, SameAsSurvivor, StillAlive } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import type { RetireInput } from '../../shared/rotators/rotator.ts';
import { parsed, withoutList } from './http-harness.ts';
import { faultOf, HttpWorld } from './http-world.ts';

let world: HttpWorld;
beforeAll(async () => {
  world = await HttpWorld.start();
});
afterAll(() => world?.server.stop());
beforeEach(() => {
  world.server.interfere = () => undefined;
  world.server.isForgetful = false;
  world.server.expiresAt = undefined;
  world.server.makeId = () => `id_${crypto.randomUUID()}`;
});

const plain = ({ value }: { readonly value: string }) => value;
const withoutId = ({ value }: { readonly value: string }) => JSON.stringify({ value });
/** Revoked by the value itself, as in RFC 7009; no id anywhere. */
const byValue = (http: HttpDeclaration): HttpDeclaration => ({
  ...withoutList(http),
  create: { ...http.create, capture: { value: '/data/secret' } },
  revoke: {
    method: 'POST',
    path: http.create.path.replace(/keys$/, 'revocations'),
    headers: http.revoke.headers ?? {},
    body: { token: '{{value}}' },
    expect: [200],
  },
});

describe('a secret that is a JSON object', () => {
  it('gets the captures of each credential; every other key is carried over, and what is not captured again goes', async () => {
    world.server.expiresAt = '2027-01-01T00:00:00Z';
    const nested = { list: [1, { a: null }] };
    const hold = ({ id, value }: { id: string; value: string }) =>
      JSON.stringify({ url: 'https://x', value, id, expires_at: 1, nested, ['__proto__x']: true });
    const secret = world.secret({ hold });
    const { value } = await secret.rotations.rotate();
    expect(parsed(value)).toEqual({
      url: 'https://x',
      nested,
      ['__proto__x']: true,
      value: expect.stringMatching(/^key_/),
      id: expect.stringMatching(/^id_/),
      expires_at: '2027-01-01T00:00:00Z',
    });
    world.server.expiresAt = undefined;
    expect(Object.keys(parsed((await secret.rotations.rotate()).value))).toEqual([
      'url',
      'nested',
      '__proto__x',
      'value',
      'id',
    ]);
  });

  it('keeps every digit of its numbers, and is revoked by the id that it has as one', async () => {
    world.server.makeId = () => '12345678901234567891';
    const hold = ({ id, value }: { id: string; value: string }) =>
      `{"value":"${value}","id":${id},"tenant":9007199254740993,"rate":1.0}`;
    const { rotations, account } = world.secret({ hold });
    world.server.makeId = () => 'next';
    const { value } = await rotations.rotate();
    expect(value.reveal()).toMatch(/^\{"tenant":9007199254740993,"rate":1\.0,"value":"key_[^"]+","id":"next"\}$/);
    expect(world.names(account)).toEqual([expect.stringMatching(/^rekey-/)]);
  });

  it('is made of the captures where the secret had no value', async () => {
    const secret = world.secret();
    const { value, identity } = await world.issue(secret, 'v1', { incumbent: undefined });
    expect(parsed(value)).toEqual({ value: expect.stringMatching(/^key_/), id: identity });
  });

  it.each([
    ['no value', {}, /no text under "value"/],
    ['an empty value', { value: '' }, /no text under "value"/],
    ['an id that is the value', { value: 'a-leaked-value', id: 'a-leaked-value' }, /is not an id/],
    ['an id with a line break', { value: 'a-leaked-value', id: 'x\ny' }, /is not an id/],
    [
      'the value in another key too',
      { value: 'a-leaked-value', id: 'x', url: 'https://a-leaked-value@h' },
      /"url" of the incumbent/,
    ],
    [
      'the value deep in another key',
      { value: 'a-leaked-value', id: 'x', o: { p: ['a-leaked-value'] } },
      /"o" of the incumbent/,
    ],
  ])('stops in preflight with %s', async (_, json, text) => {
    const { rotations } = world.secret({ hold: () => JSON.stringify(json) });
    const error = await faultOf(rotations.preflight('v1'));
    expect(error).toBeInstanceOf(Misconfigured);
    expect(error.safeMessage).toMatch(text);
    expect(error.safeMessage).not.toContain('leaked');
  });

  it('must hold what the test request needs', async () => {
    const declare = (http: HttpDeclaration): HttpDeclaration => ({
      ...http,
      test: { ...http.test, headers: { ...http.test.headers, 'x-key-id': '{{id}}' } },
    });
    const { rotations } = world.secret({ declare, hold: withoutId });
    await expect(rotations.preflight('v1')).rejects.toThrow(/http\.test needs "id" of the incumbent/);
    await world.secret({ declare }).rotations.rotate();
    expect(world.server.received.some(({ headers }) => String(headers['x-key-id']).startsWith('id_'))).toBe(true);
  });
});

describe('a secret in plain text', () => {
  it('stays plain text; its credentials are revoked by the ids in the ledger', async () => {
    const secret = world.secret({ hold: plain });
    const { rotations } = secret;
    const first = await rotations.bringIn();
    expect(first.value.reveal()).toMatch(/^key_/);
    await rotations.test(first);
    const adopted = rotations.promote(first);
    // Nobody has said what the API calls the one that was made by hand.
    const error = await faultOf(rotations.retire(adopted));
    expect(error).toBeInstanceOf(StillAlive);
    expect(error.safeMessage).toMatch(/http\.revoke needs {{id}} of it/);
    const second = await rotations.bringIn();
    expect(second.preflight.facts['incumbent_revocable']).toBe('yes');
    expect(await rotations.retire(rotations.promote(second))).toMatchObject({
      refusedLogin: true,
      facts: { revoke: 'revoked' },
    });
    expect(world.names(secret.account)).toEqual(['made by hand', expect.stringMatching(/^rekey-/)]);
    // Once a person has revoked it, it is dead.
    world.server.revoke(secret.account, ({ id }) => id === secret.key.id);
    expect(await rotations.retire(adopted)).toMatchObject({ refusedLogin: true });
  });

  it('is said in preflight to be one that nobody can revoke', async () => {
    const { facts, incumbent } = await world.secret({ hold: plain }).rotations.preflight('v1');
    expect(facts['incumbent_revocable']).toBe('no');
    expect(incumbent).toMatch(/^credential of version /);
  });

  it('is revoked by its value where the API wants nothing else', async () => {
    const secret = world.secret({ hold: plain, declare: byValue });
    const { incumbent_revocable } = (await secret.rotations.preflight('v1')).facts;
    expect(incumbent_revocable).toBe('yes');
    for (const turn of [1, 2]) {
      const { versionId } = await secret.rotations.rotate();
      expect(world.names(secret.account)).toEqual([`rekey-${versionId}-1`]);
      const entry = secret.rotations.known.find((known) => known.versionId === versionId);
      expect(entry?.identity, `turn ${turn}`).toBe(`rekey-${versionId}-1`);
    }
  });

  it('stops at a value that has a line break at its end, and does not repeat it', async () => {
    const { rotations } = world.secret({ hold: ({ value }) => `${value}\n` });
    const error = await faultOf(rotations.preflight('v1'));
    expect(error).toBeInstanceOf(Misconfigured);
    expect(error.safeMessage).toMatch(/line break/);
  });

  it('cannot hold a value that is a JSON object: what was made is revoked', async () => {
    const secret = world.secret({ hold: plain });
    world.server.makeValue = () => '{"type":"service_account"}';
    try {
      const error = await faultOf(world.issue(secret, 'v1'));
      expect(error).toBeInstanceOf(CandidateUnproven);
      expect(error.safeMessage).not.toContain('service_account');
      expect(world.names(secret.account)).toEqual(['made by hand']);
    } finally {
      world.server.makeValue = () => `key_${crypto.randomUUID()}`;
    }
  });
});

describe('a value that fits into no header', () => {
  const makeValue = () => `key_${crypto.randomUUID()}`;
  const adopted = (choices: Parameters<HttpWorld['secret']>[0] = {}) => {
    const secret = world.secret(choices);
    world.server.makeValue = () => `${makeValue()}\n`; // As tools write it that end with a line what they encode.
    return secret;
  };
  afterEach(() => {
    world.server.makeValue = makeValue;
  });
  /** One that was stored all the same, and is to be ended. */
  const old = async (secret: ReturnType<typeof world.secret>, more: Partial<RetireInput> = {}) => {
    const { rotations, admin, account } = secret;
    const { id, value } = world.server.make(account, 'rekey-v9-1');
    const issuance = { since: world.clock.now(), existing: [], attempts: 1, explained: 1 };
    return rotations.rotator.retire({
      settings: rotations.settings,
      admin,
      identity: id,
      versionId: 'v9',
      value: new SecretText(JSON.stringify({ value, id })),
      survivor: secret.incumbent,
      known: [{ identity: id, versionId: 'v9', state: 'grace', issuance }],
      ...more,
    });
  };

  it('is not taken: nobody could try it, nor its end', async () => {
    const secret = adopted();
    const error = await faultOf(world.issue(secret, 'v1'));
    expect(error).toBeInstanceOf(CandidateUnproven);
    expect(error.safeMessage).toMatch(
      /^What {{value}} .* the header "authorization" of http\.test: .* and was revoked\.$/,
    );
    expect(error.safeMessage).not.toContain('key_');
    expect(world.names(secret.account)).toEqual(['made by hand']);
  });

  it('is not taken where only revoke is to have it in one', async () => {
    const declare = (http: HttpDeclaration): HttpDeclaration => ({
      ...http,
      test: { ...http.test, path: '/v1/whoami?key={{value}}', headers: {} },
      revoke: { ...http.revoke, headers: { ...http.revoke.headers, 'x-token': '{{value}}' } },
    });
    const secret = adopted({ declare });
    const error = await faultOf(world.issue(secret, 'v1'));
    expect(error).toBeInstanceOf(CandidateUnproven);
    expect(error.safeMessage).toMatch(/^What {{value}} .* of http\.revoke: .* was made and could not be revoked\.$/);
  });

  it('is revoked by itself where the API wants nothing else', async () => {
    const secret = adopted({ declare: byValue, hold: withoutId });
    const error = await faultOf(world.issue(secret, 'v1'));
    expect(error.safeMessage).toMatch(/of http\.test: .* and was revoked\.$/);
    expect(world.names(secret.account)).toEqual(['made by hand']);
  });

  it('is ended, if it was stored, once the list shows it no more: no login with it can be refused', async () => {
    const secret = adopted();
    expect(await old(secret)).toEqual({
      refusedLogin: false,
      endedSessions: 0,
      facts: {
        revoke: 'revoked',
        test: expect.stringMatching(/^not sent: What {{value}} stands for cannot be sent in the header/),
        list: 'shows it no more',
      },
    });
    expect(world.names(secret.account)).toEqual(['made by hand']);
    world.server.isForgetful = true;
    const before = world.clock.now().getTime();
    await expect(old(secret)).rejects.toThrow(/^The API has revoked the credential, and http\.list still shows it\.$/);
    expect(world.clock.now().getTime() - before).toBe(5000);
  });

  it.each([
    ['there is no list', withoutList, {}],
    ['it was made by hand, under a name that nobody knows', (http: HttpDeclaration) => http, { known: [] }],
  ])('is revoked and stays owed where %s, until a person says that it is dead', async (_, declare, more) => {
    const secret = adopted({ declare });
    const error = await faultOf(old(secret, more));
    expect(error).toBeInstanceOf(StillAlive);
    expect(error.safeMessage).toMatch(/Look for it at the API, and say so: rekey settle\.$/);
    expect(world.names(secret.account)).toEqual(['made by hand']);
  });

  it('is not called dead, nor the reason lost, where it cannot be revoked', async () => {
    const secret = adopted();
    world.server.interfere = ({ method }) => (method === 'DELETE' ? { status: 409 } : undefined);
    await expect(old(secret)).rejects.toThrow(/^http\.revoke is answered with status 409/);
    const value = new SecretText(JSON.stringify({ value: 'key_\n' }));
    const unnamed = { identity: 'credential of version v9', value, known: [] };
    await expect(old(secret, unnamed)).rejects.toThrow(/http\.revoke needs {{id}} of it/);
  });
});

describe('the identity of a credential', () => {
  it('is its id; large numbers keep every digit', async () => {
    const digits = '12345678901234567890';
    const secret = world.secret();
    world.server.interfere = ({ method }) =>
      method === 'POST' ? { status: 201, body: `{"data":{"id":${digits},"secret":"key_x"}}` } : undefined;
    const report = await world.issue(secret, 'v1');
    expect(report.identity).toBe(digits);
    expect(report.value.reveal()).toBe(`{"value":"key_x","id":"${digits}"}`);
  });

  it('is a number as the API writes it, and revoked by it', async () => {
    const secret = world.secret();
    world.server.makeId = () => 4711;
    world.server.interfere = ({ method }) =>
      method === 'POST'
        ? {
            status: 201,
            body: JSON.stringify({ data: { id: 4711, secret: world.server.make(secret.account, 'n').value } }),
          }
        : undefined;
    const brought = await secret.rotations.bringIn();
    expect(brought.value.reveal()).toMatch(/"id":4711/);
    await secret.rotations.retire(brought.versionId);
    expect(world.server.keys(secret.account)).toHaveLength(1);
  });

  it('is its name where no id is captured, and it is revoked by that', async () => {
    world.server.makeId = () => 'not used';
    const declare = (http: HttpDeclaration): HttpDeclaration => ({
      ...withoutList(http),
      create: { ...http.create, capture: { value: '/data/secret' } },
      revoke: { ...http.revoke, path: http.revoke.path.replace('{{id}}', '{{name}}') },
    });
    const { rotations, account } = world.secret({ declare, hold: withoutId });
    const { versionId } = await rotations.bringIn();
    const name = `rekey-${versionId}-1`;
    expect(rotations.known.at(-1)?.identity).toBe(name);
    world.server.received.length = 0;
    await faultOf(rotations.retire(versionId)); // The key server revokes by id only.
    expect(world.server.received.map(({ path }) => path)).toContain(`/v1/accounts/${account}/keys/${name}`);
  });

  it('is never that of another: what the API made is left for a person, and the incumbent is not revoked by its id', async () => {
    const secret = world.secret();
    world.server.makeId = () => secret.key.id;
    const error = await faultOf(world.issue(secret, 'v1'));
    // Something was made: what says that nothing was would be forgotten.
    expect(error).toBeInstanceOf(CandidateUnproven);
    expect(error.safeMessage).toMatch(/the one named "rekey-v1-1" was made and is not revoked/);
    expect(world.names(secret.account)).toEqual(['made by hand', 'rekey-v1-1']);
    await expect(world.issue(secret, 'v1', { attempts: 2 })).rejects.toThrow(
      /http\.list\.id gives the credential named/,
    );
    expect(world.names(secret.account)).toEqual(['made by hand', 'rekey-v1-1']);
  });

  it('never holds the value', async () => {
    const secret = world.secret();
    world.server.interfere = ({ method }) =>
      method === 'POST'
        ? { status: 201, body: '{"data":{"id":"id-of-a-leaked-value","secret":"a-leaked-value"}}' }
        : undefined;
    const error = await faultOf(world.issue(secret, 'v1'));
    expect(error).toBeInstanceOf(CandidateUnproven);
    expect(error.safeMessage).toMatch(/create\.capture\.id does not lead to an id/);
    expect(error.safeMessage).not.toContain('leaked');
  });

  it('has a name of letters, digits and - also for a version id that has others', async () => {
    const secret = world.secret();
    const { facts } = await world.issue(secret, `${'ü/'.repeat(30)}"`);
    expect(facts['name']).toMatch(/^rekey-[0-9a-f]{32}-1$/);
  });
});

describe('when a credential ends by itself', () => {
  it.each([
    ['2027-02-03T04:05:06Z', '2027-02-03T04:05:06.000Z'],
    ['2027-02-03T04:05:06.789+02:00', '2027-02-03T02:05:06.789Z'],
    [1_800_000_000, '2027-01-15T08:00:00.000Z'],
    ['1800000000', '2027-01-15T08:00:00.000Z'],
    [1_800_000_000.5, '2027-01-15T08:00:00.500Z'],
  ])('is read from %j', async (written, time) => {
    world.server.expiresAt = written;
    const { expiresAt } = await world.issue(world.secret(), 'v1');
    expect(expiresAt?.toISOString()).toBe(time);
  });

  it.each([undefined, null])('is not said by %j', async (written) => {
    world.server.expiresAt = written;
    expect(await world.issue(world.secret(), 'v1')).not.toHaveProperty('expiresAt');
  });

  it.each([
    ['seconds of life', 3600],
    ['seconds of life, as a text', '86400'],
    ['zero', 0],
    ['a time that has passed', '2026-03-01T11:59:59Z'],
    ['this very moment', '2026-03-01T12:00:00Z'],
    ['a time that leaves none for a rotation', '2026-03-01T12:01:59Z'],
  ])('is not believed of %s: what was made is revoked', async (_, written) => {
    world.server.expiresAt = written;
    const secret = world.secret();
    const other = new HttpWorld(world.server); // Of which no test has moved the clock.
    const error = await faultOf(other.issue(secret, 'v1'));
    expect(error).toBeInstanceOf(CandidateUnproven);
    expect(error.safeMessage).toMatch(/expires_at leads to a time that .* seconds of life.* and was revoked\.$/);
    expect(other.names(secret.account)).toEqual(['made by hand']);
  });

  it('is believed of what lives for two minutes', async () => {
    world.server.expiresAt = '2026-03-01T12:02:00Z';
    const { expiresAt } = await new HttpWorld(world.server).issue(world.secret(), 'v1');
    expect(expiresAt?.toISOString()).toBe('2026-03-01T12:02:00.000Z');
  });

  it('is replaced after its end as before it, by a rotation that came too late', async () => {
    const { rotations, account } = world.secret();
    const end = () => {
      world.server.expiresAt = new Date(world.clock.now().getTime() + 3600_000).toISOString();
    };
    end();
    const { value } = await rotations.rotate();
    world.clock.advance(3600);
    world.server.revoke(account, () => true);
    expect(await rotations.probe(value)).toBe('refused');
    end();
    const next = await rotations.rotate();
    expect(next.preflight.facts['incumbent']).toMatch(/^refused: it ended by itself at .*, and this rotation replaces/);
    expect(await rotations.probe(next.value)).toBe('accepted');
    expect(world.server.keys(account)).toHaveLength(1);
  });

  it.each([
    'tomorrow',
    '2027-02-30',
    '2027-13-01T00:00:00Z',
    1_800_000_000_000,
    -1,
    true,
    '03/02/2027',
    '2027-02-03 04:05:06',
  ])('is not guessed from %j', async (written) => {
    world.server.expiresAt = written;
    const error = await faultOf(world.issue(world.secret(), 'v1'));
    expect(error).toBeInstanceOf(CandidateUnproven);
    expect(error.safeMessage).toMatch(/expires_at leads neither to/);
  });
});

describe('retire', () => {
  it('ends nothing when the credential that must go on is refused, or is the same one', async () => {
    const secret = world.secret();
    const { rotations, account, admin } = secret;
    const brought = await rotations.bringIn();
    const retirement = {
      settings: rotations.settings,
      admin,
      identity: secret.key.id,
      versionId: 'v0',
      value: secret.incumbent,
    };
    const dead = new SecretText(JSON.stringify({ value: 'no-such-value', id: 'x' }));
    await expect(rotations.rotator.retire({ ...retirement, survivor: dead })).rejects.toBeInstanceOf(IncumbentRefused);
    const same = { ...retirement, survivor: secret.incumbent };
    await expect(rotations.rotator.retire(same)).rejects.toBeInstanceOf(SameAsSurvivor);
    const other = { ...retirement, identity: 'id_of_another', survivor: brought.value };
    await expect(rotations.rotator.retire(other)).rejects.toThrow(/does not belong to credential "id_of_another"/);
    expect(world.names(account)).toHaveLength(2);
  });

  it.each([
    ['has ended by itself as it was to', 0],
    ['is refused before its end', 1],
  ])('keeps nothing for the sake of one that must go on and %s', async (_, seconds) => {
    const { rotations, account, admin, key, incumbent } = world.secret();
    const brought = await rotations.bringIn();
    world.server.revoke(account, ({ id }) => id === key.id);
    const expiresAt = new Date(world.clock.now().getTime() + seconds * 1000);
    const known = rotations.known.map((entry) => (entry.identity === key.id ? { ...entry, expiresAt } : entry));
    const { versionId } = brought;
    const retirement = {
      settings: rotations.settings,
      admin,
      identity: rotations.known.find((entry) => entry.versionId === versionId)?.identity ?? '',
      versionId,
      value: brought.value,
      survivor: incumbent,
      survivorVersionId: rotations.current.versionId,
      known,
    };
    const run = rotations.rotator.retire(retirement);
    if (seconds > 0) {
      await expect(run).rejects.toBeInstanceOf(IncumbentRefused);
      expect(world.names(account)).toHaveLength(1);
      return;
    }
    const survivor = `refused: it ended by itself at ${expiresAt.toISOString()}`;
    expect(await run).toMatchObject({ refusedLogin: true, facts: { revoke: 'revoked', survivor } });
    expect(world.names(account)).toEqual([]);
  });

  it('does not call dead what the API still takes', async () => {
    const { rotations } = world.secret();
    const adopted = rotations.promote(await rotations.bringIn());
    world.server.isForgetful = true;
    const before = world.clock.now().getTime();
    await expect(rotations.retire(adopted)).rejects.toThrow(/has revoked the credential, and still accepts it/);
    expect(world.clock.now().getTime() - before).toBe(5000);
    world.server.isForgetful = false;
    expect(await rotations.retire(adopted)).toMatchObject({ refusedLogin: true });
  });

  it('does not call dead what the API says it does not know, and takes', async () => {
    const { rotations } = world.secret({
      declare: (http) => ({ ...http, revoke: { ...http.revoke, path: '/v1/wrong/{{id}}' } }),
    });
    const adopted = rotations.promote(await rotations.bringIn());
    const error = await faultOf(rotations.retire(adopted));
    expect(error).toBeInstanceOf(StillAlive);
    expect(error.safeMessage).toMatch(/is http\.revoke the right request/);
  });

  it('waits for an API that takes a moment', async () => {
    const { rotations } = world.secret();
    const adopted = rotations.promote(await rotations.bringIn());
    let tests = 0;
    let isRevoked = false;
    world.server.interfere = ({ method, path }) => {
      if (method === 'DELETE') isRevoked = true;
      if (!isRevoked || path !== '/v1/whoami') return undefined;
      tests += 1;
      return tests <= 2 ? { status: 200 } : undefined;
    };
    expect(await rotations.retire(adopted)).toMatchObject({ refusedLogin: true });
    expect(tests).toBe(3);
  });

  it.each([400, 409, 422])('takes a refused value for proof when the API revokes only once (%i)', async (status) => {
    const { rotations, account, key } = world.secret();
    const adopted = rotations.promote(await rotations.bringIn());
    world.server.interfere = ({ method }) => (method === 'DELETE' ? { status } : undefined);
    await expect(rotations.retire(adopted)).rejects.toBeInstanceOf(Misconfigured);
    world.server.revoke(account, ({ id }) => id === key.id);
    expect(await rotations.retire(adopted)).toMatchObject({
      refusedLogin: true,
      facts: { revoke: 'not needed: it is refused' },
    });
  });

  it.each([401, 403, 500])('is proved again where the API answers %i for what it has revoked', async (status) => {
    const { rotations, key, admin, incumbent } = world.secret();
    const { value: survivor } = await rotations.bringIn();
    const { settings, known } = rotations;
    const retirement = { settings, admin, identity: key.id, versionId: 'v0', value: incumbent, known };
    expect(await world.rotator.retire({ ...retirement, survivor })).toMatchObject({ refusedLogin: true });
    world.server.interfere = ({ method, path }) =>
      method === 'DELETE' && path.endsWith(key.id) ? { status } : undefined;
    expect(await world.rotator.retire({ ...retirement, survivor })).toMatchObject({ refusedLogin: true });
    // What refuses everybody proves nothing of one: without a survivor it is not taken for it.
    await expect(world.rotator.retire({ ...retirement, survivor: undefined })).rejects.toThrow();
  });

  it('may be done by the credential itself: that it is refused then is no fault of the administrator', async () => {
    const { rotations, account } = world.secret({
      declare: (http) => ({
        ...http,
        revoke: { method: 'DELETE', path: '/v1/whoami', headers: { authorization: 'Bearer {{value}}' }, expect: [204] },
      }),
    });
    const adopted = rotations.promote(await rotations.bringIn());
    for (const revoke of ['revoked', 'not needed: it is refused']) {
      expect(await rotations.retire(adopted, { forget: false })).toMatchObject({
        refusedLogin: true,
        facts: { revoke },
      });
    }
    expect(world.names(account)).toHaveLength(1);
  });

  it('says what an incumbent lacks that was adopted without an id', async () => {
    const { rotations } = world.secret({ hold: withoutId });
    const adopted = rotations.promote(await rotations.bringIn());
    const error = await faultOf(rotations.retire(adopted));
    expect(error).toBeInstanceOf(StillAlive);
    expect(error.safeMessage).toMatch(/needs {{id}} of it, which its value does not hold\. Revoke it by hand\./);
  });
});
