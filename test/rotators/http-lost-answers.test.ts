import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HttpDeclaration } from '../../shared/config/declaration.ts';
import { CandidateUnproven, OrphanInDoubt, StillAlive, TransientFailure } from '../../shared/errors.ts';
import type { Interference, Received } from '../providers/key-server.ts';
import { withoutList } from './http-harness.ts';
import { faultOf, HttpWorld } from './http-world.ts';

let world: HttpWorld;
beforeAll(async () => {
  world = await HttpWorld.start();
});
afterAll(() => world?.server.stop());
beforeEach(() => {
  world.server.interfere = () => undefined;
  world.server.isListing = true;
  world.server.isForgetful = false;
  world.server.received.length = 0;
});

/** Happens to the first request of this kind, and to no other. */
function once(method: string, interference: Interference): void {
  let isOver = false;
  world.server.interfere = (request: Received) => {
    if (isOver || request.method !== method) return undefined;
    isOver = true;
    return interference;
  };
}

const versionId = 'a6f2c7b0-0000-4000-8000-000000000001';
const first = `rekey-${versionId}-1`;
const second = `rekey-${versionId}-2`;

describe('an answer to create that is lost', () => {
  it.each<Interference>(['answer lost', 'half an answer', 'silence'])(
    'by %s is a passing failure; the next attempt finds what was made by its name, and revokes it',
    async (interference) => {
      const secret = world.secret();
      const { account, rotations } = secret;
      const preflight = await rotations.preflight(versionId);
      rotations.journal(versionId, preflight);
      once('POST', interference);
      await expect(rotations.issue(versionId, preflight)).rejects.toBeInstanceOf(TransientFailure);
      expect(world.names(account)).toEqual(['made by hand', first]);
      const report = await world.issue(secret, versionId, { attempts: 2 });
      expect(report.facts).toEqual({ name: second, removed: first });
      expect(world.names(account)).toEqual(['made by hand', second]);
    },
  );

  it.each([301, 400, 401, 403, 404, 422, 429, 503])(
    'behind a status that says no (%d: it may be of something on the way) is looked for by its name all the same',
    async (status) => {
      const { account, rotations } = world.secret();
      const preflight = await rotations.preflight(versionId);
      rotations.journal(versionId, preflight);
      world.server.make(account, first);
      once('POST', { status, headers: { 'content-type': 'text/html', 'retry-after': '9' }, body: '<html>' });
      await expect(rotations.issue(versionId, preflight)).rejects.toThrow();
      expect(await rotations.retire(versionId)).toMatchObject({ facts: { removed: first } });
      expect(world.names(account)).toEqual(['made by hand']);
    },
  );

  it.each([400, 401, 403, 404, 422, 429])(
    'is not supposed behind a status that says no (%d) where nothing could be looked for: else each were a debt',
    async (status) => {
      const { rotations } = world.secret({ declare: withoutList });
      const preflight = await rotations.preflight(versionId);
      rotations.journal(versionId, preflight);
      once('POST', { status });
      await expect(rotations.issue(versionId, preflight)).rejects.toThrow();
      expect(await rotations.retire(versionId)).toMatchObject({ facts: { issued: 'nothing was asked for' } });
    },
  );

  it('leaves nothing when the rotation is taken back, and no doubt', async () => {
    const { account, rotations } = world.secret();
    const preflight = await rotations.preflight(versionId);
    rotations.journal(versionId, preflight);
    once('POST', 'answer lost');
    await expect(rotations.issue(versionId, preflight)).rejects.toThrow();
    await expect(rotations.issue(versionId, preflight, undefined, { lost: true })).resolves.toBeDefined();
    for (const removed of [second, 'none was there']) {
      expect(await rotations.retire(versionId, { forget: false })).toMatchObject({
        refusedLogin: false,
        facts: { removed },
      });
      expect(world.names(account)).toEqual(['made by hand']);
    }
  });

  it('leaves nothing either when a late attempt made one after the value was stored: it goes with the credential', async () => {
    const { account, rotations } = world.secret();
    const preflight = await rotations.preflight(versionId);
    rotations.journal(versionId, preflight);
    once('POST', 'request lost');
    await expect(rotations.issue(versionId, preflight)).rejects.toThrow();
    await rotations.issue(versionId, preflight);
    world.server.make(account, first); // The request was only slow.
    expect(world.names(account)).toEqual(['made by hand', second, first]);
    expect(await rotations.retire(versionId)).toMatchObject({ facts: { revoke: 'revoked', removed: first } });
    expect(world.names(account)).toEqual(['made by hand']);
  });

  it('is asked for by name where the list can be asked so, and only exact names count', async () => {
    const declare = (http: HttpDeclaration): HttpDeclaration => ({
      ...http,
      list: { ...(http.list as NonNullable<HttpDeclaration['list']>), path: `${http.list?.path}?name={{name}}` },
    });
    const secret = world.secret({ declare });
    const strangers = [`${first}0`, ` ${first}`, first.toUpperCase(), `rekey-${versionId}`, `x${first}`, second];
    for (const name of [first, ...strangers]) world.server.make(secret.account, name);
    world.server.make(secret.account, first); // The API itself did it twice.
    await world.issue(secret, versionId, { attempts: 2 });
    expect(world.names(secret.account)).toEqual(['made by hand', ...strangers, second]);
    const lists = world.server.received.filter(({ method }) => method === 'GET').map(({ path }) => path);
    expect(lists).toEqual([`/v1/accounts/${secret.account}/keys?name=${first}`]);
  });

  it('is not taken for gone because the revoke request is wrong', async () => {
    const secret = world.secret({
      declare: (http) => ({ ...http, revoke: { ...http.revoke, path: '/v1/wrong/{{id}}' } }),
    });
    world.server.make(secret.account, first);
    await expect(world.issue(secret, versionId, { attempts: 2 })).rejects.toBeInstanceOf(StillAlive);
    expect(world.names(secret.account)).toEqual(['made by hand', first]);
  });
});

describe('a credential whose value was never stored, and that the API does not find under its id', () => {
  it.each([
    ['the list shows it: the request is wrong, and it lives', true],
    ['the list does not show it: it is gone', false],
  ])('%s', async (_, isThere) => {
    const { account, rotations, admin } = world.secret({
      declare: (http) => ({ ...http, revoke: { ...http.revoke, path: '/v1/wrong/{{id}}' } }),
    });
    const { id: identity } = world.server.make(account, first);
    if (!isThere) world.server.revoke(account, ({ id }) => id === identity);
    const issuance = { since: world.clock.now(), existing: [], attempts: 1, explained: 1 };
    const run = rotations.rotator.retire({
      settings: rotations.settings,
      admin,
      identity,
      versionId,
      value: undefined,
      survivor: rotations.current.value,
      known: [{ identity, versionId, state: 'proposed', issuance }],
    });
    if (isThere) await expect(run).rejects.toBeInstanceOf(StillAlive);
    else expect(await run).toMatchObject({ facts: { revoke: 'gone', removed: 'none was there' } });
  });

  it('is gone where the list shows it still, for some time, after the API has revoked it', async () => {
    const { account, rotations, admin } = world.secret();
    const { id: identity } = world.server.make(account, first);
    world.server.isForgetful = true;
    const issuance = { since: world.clock.now(), existing: [], attempts: 1, explained: 1 };
    const input = { identity, versionId, value: undefined, survivor: rotations.current.value };
    const known = [{ identity, versionId, state: 'proposed', issuance }] as const;
    const { facts } = await rotations.rotator.retire({ settings: rotations.settings, admin, ...input, known });
    expect(facts).toEqual({ revoke: 'revoked', removed: 'none was there' });
  });
});

describe.each([
  ['without a list', withoutList],
  [
    'with a list, but revoked by the value only',
    (http: HttpDeclaration): HttpDeclaration => {
      const { id: _, ...capture } = http.create.capture;
      const { headers = {} } = http.revoke;
      const path = http.create.path.replace(/keys$/, 'revocations');
      return {
        ...http,
        create: { ...http.create, capture },
        revoke: { method: 'POST', path, headers, body: { token: '{{value}}' }, expect: [200] },
      };
    },
  ],
])('%s, a lost answer', (_, declare) => {
  const doubt = new RegExp(`${first}" may exist`);

  it('is asked for no second time: a person is told which credential to look for', async () => {
    const secret = world.secret({ declare });
    world.server.make(secret.account, first);
    world.server.received.length = 0;
    for (const attempts of [2, 3]) {
      const error = await faultOf(world.issue(secret, versionId, { attempts }));
      expect(error).toBeInstanceOf(OrphanInDoubt);
      expect(error.safeMessage).toMatch(attempts === 2 ? doubt : new RegExp(`"${first}", "${second}" may exist`));
    }
    expect(world.server.received).toEqual([]);
    expect(world.names(secret.account)).toEqual(['made by hand', first]);
  });

  it('that is explained leaves no doubt, for another attempt or for the end of its rotation', async () => {
    const { account, rotations } = world.secret({ declare });
    const preflight = await rotations.preflight(versionId);
    rotations.journal(versionId, preflight);
    await rotations.issue(versionId, preflight, undefined, { lost: true });
    rotations.explain(versionId, 1);
    await rotations.issue(versionId, preflight, undefined, { lost: true });
    expect(world.names(account)).toEqual(['made by hand', first, second]);
    const error = await faultOf(rotations.retire(versionId));
    expect(error.safeMessage).toMatch(new RegExp(`named "${second}" may exist`));
    rotations.explain(versionId, 2);
    expect(await rotations.retire(versionId)).toMatchObject({ facts: { issued: 'what was asked for is explained' } });
  });

  it('of another attempt is not forgotten when a credential that was stored is retired', async () => {
    const { account, rotations } = world.secret({ declare });
    const { versionId: stored, value } = await rotations.bringIn();
    rotations.begin(stored);
    world.server.make(account, `rekey-${stored}-2`);
    for (const _ of ['once', 'twice']) {
      const error = await faultOf(rotations.retire(stored, { forget: false }));
      expect(error).toBeInstanceOf(OrphanInDoubt);
      expect(error.safeMessage).toMatch(new RegExp(`named "rekey-${stored}-2" may exist`));
      expect(await rotations.probe(value)).toBe('refused');
    }
    rotations.explain(stored, 2);
    expect(await rotations.retire(stored)).toMatchObject({ refusedLogin: true });
    expect(world.names(account)).toEqual(['made by hand', `rekey-${stored}-2`]);
  });

  it('is a doubt for a person when the rotation is taken back', async () => {
    const { account, rotations } = world.secret({ declare });
    const preflight = await rotations.preflight(versionId);
    expect(preflight.facts['lost_answers']).toBe('not found: a person must look');
    rotations.journal(versionId, preflight);
    await rotations.issue(versionId, preflight, undefined, { lost: true });
    const error = await faultOf(rotations.retire(versionId, { forget: false }));
    expect(error).toBeInstanceOf(OrphanInDoubt);
    expect(error.safeMessage).toMatch(doubt);
    expect(world.names(account)).toEqual(['made by hand', first]);
  });

  it('is none when nothing was asked for', async () => {
    const { account, rotations } = world.secret({ declare });
    rotations.journal(versionId, await rotations.preflight(versionId));
    expect(await rotations.retire(versionId)).toMatchObject({
      refusedLogin: false,
      facts: { issued: 'nothing was asked for' },
    });
    expect(world.names(account)).toEqual(['made by hand']);
  });
});

describe('without a list, a credential whose id is in the ledger but whose value was not stored', () => {
  it('is revoked by its id when another is made; not where another attempt leaves a doubt', async () => {
    const secret = world.secret({ declare: withoutList });
    for (const [attempts, explained] of [
      [2, undefined],
      [3, 2],
      [3, undefined],
      [3, 1],
    ] as const) {
      const { id: identity } = world.server.make(secret.account, 'of an attempt');
      const issuance = { since: world.clock.now(), existing: [], attempts, explained };
      const known = [{ identity, versionId, state: 'proposed' as const, issuance }];
      const before = world.names(secret.account).length;
      const run = world.issue(secret, versionId, { attempts, known });
      if (attempts === 2 || explained === 2) {
        expect((await run).facts['removed']).toBe(identity);
        expect(world.names(secret.account)).toHaveLength(before);
      } else {
        await expect(run).rejects.toThrow(explained === 1 ? `named "${second}" may` : `"${first}", "${second}" may`);
        expect(world.names(secret.account)).toHaveLength(before - 1);
      }
      expect(world.server.keys(secret.account).some(({ id }) => id === identity)).toBe(false);
    }
  });

  it('and that nothing but its value revokes, is a doubt with what the API calls it', async () => {
    const declare = (http: HttpDeclaration): HttpDeclaration => ({
      ...withoutList(http),
      revoke: { ...http.revoke, method: 'POST', path: '/v1/revocations', body: { token: '{{value}}' } },
    });
    const secret = world.secret({ declare });
    const { id: identity } = world.server.make(secret.account, first);
    const issuance = { since: world.clock.now(), existing: [], attempts: 1, explained: 1 };
    const known = [{ identity, versionId, state: 'proposed', issuance }] as const;
    const { settings } = secret.rotations;
    const retirement = { settings, admin: secret.admin, identity, versionId, value: undefined, survivor: undefined };
    for (const run of [
      world.issue(secret, versionId, { attempts: 2, known }),
      world.rotator.retire({ ...retirement, known }),
    ]) {
      const error = await faultOf(run);
      expect(error).toBeInstanceOf(OrphanInDoubt);
      expect(error.safeMessage).toContain(`"${identity}" was made`);
    }
    expect(world.names(secret.account)).toEqual(['made by hand', first]);
  });

  it('is revoked by its id, twice', async () => {
    const { account, rotations, admin } = world.secret({ declare: withoutList });
    const { id } = world.server.make(account, first);
    const issuance = { since: world.clock.now(), existing: [], attempts: 1 };
    const retirement = {
      settings: rotations.settings,
      admin,
      identity: id,
      versionId,
      value: undefined,
      survivor: rotations.current.value,
      known: [{ identity: id, versionId, state: 'proposed', issuance }] as const,
    };
    for (const revoke of ['revoked', 'gone']) {
      expect(await rotations.rotator.retire(retirement)).toMatchObject({ refusedLogin: false, facts: { revoke } });
      expect(world.names(account)).toEqual(['made by hand']);
    }
    // A further attempt leaves a doubt again.
    const known = [{ identity: id, versionId, state: 'proposed' as const, issuance: { ...issuance, attempts: 2 } }];
    await expect(rotations.rotator.retire({ ...retirement, known })).rejects.toBeInstanceOf(OrphanInDoubt);
    // And one that nobody knows anything of is not called dead.
    const unknown = { ...retirement, identity: `rekey-${versionId}`, known: [] };
    await expect(rotations.rotator.retire(unknown)).rejects.toBeInstanceOf(StillAlive);
  });
});

describe('an answer to create that cannot be used', () => {
  const answers: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ['has no value', { value: '/data/nothing' }, /no text at the pointer of create\.capture\.value/],
    ['has a list for a value', { value: '/data' }, /create\.capture\.value/],
    ['has no time where it ends', { expires_at: '/data/name' }, /expires_at leads neither/],
    ['lacks another capture', { handle: '/data/handle' }, /create\.capture\.handle/],
  ];
  it.each(answers)('because it %s: what it made is revoked at once', async (_, capture, problem) => {
    const secret = world.secret({
      declare: (http) => ({ ...http, create: { ...http.create, capture: { ...http.create.capture, ...capture } } }),
    });
    const error = await faultOf(world.issue(secret, versionId));
    expect(error).toBeInstanceOf(CandidateUnproven);
    expect(error.safeMessage).toMatch(problem);
    expect(error.safeMessage).toMatch(new RegExp(`"${first}" was made, and was revoked\\.$`));
    expect(world.names(secret.account)).toEqual(['made by hand']);
  });

  it.each(['has no id', 'is no JSON', 'is larger than 1 MiB'])(
    'because it %s: whoever rolls back finds it by its name',
    async (what) => {
      const { account, rotations } = world.secret({
        declare: (http) => ({
          ...http,
          create: { ...http.create, capture: { ...http.create.capture, id: '/data/nothing' } },
        }),
      });
      const preflight = await rotations.preflight(versionId);
      rotations.journal(versionId, preflight);
      if (what !== 'has no id') {
        world.server.interfere = ({ method }) => {
          if (method !== 'POST') return undefined;
          world.server.make(account, first);
          const body =
            what === 'is no JSON' ? 'made: a-leaked-value' : JSON.stringify({ data: 'x'.repeat(1024 * 1024) });
          return { status: 201, body };
        };
      }
      const error = await faultOf(rotations.issue(versionId, preflight));
      expect(error).toBeInstanceOf(CandidateUnproven);
      expect(error.safeMessage).not.toContain('leaked');
      expect(world.names(account)).toEqual(['made by hand', first]);
      world.server.interfere = () => undefined;
      expect(await rotations.retire(versionId)).toMatchObject({ facts: { removed: first } });
      expect(world.names(account)).toEqual(['made by hand']);
    },
  );

  it('and whose credential does not let itself be revoked, names it', async () => {
    const secret = world.secret({
      declare: (http) => ({
        ...http,
        create: { ...http.create, capture: { ...http.create.capture, value: '/nothing' } },
      }),
    });
    once('DELETE', { status: 503 });
    const error = await faultOf(world.issue(secret, versionId));
    expect(error).toBeInstanceOf(CandidateUnproven);
    expect(error.safeMessage).toMatch(new RegExp(`"${first}" was made and could not be revoked\\.$`));
  });
});
