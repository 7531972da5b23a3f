import { readFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../infra/local/free-port.ts';
import type { HttpDeclaration } from '../../shared/config/declaration.ts';
import {
  AdminRefused,
  CandidateUnproven,
  IncumbentRefused,
  Misconfigured,
  RateLimited,
  TargetUnreachable,
  Throttled,
  TransientFailure,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { send } from '../../shared/rotators/http/transport.ts';
import type { RotatorSettings } from '../../shared/rotators/rotator.ts';
import type { Interference } from '../providers/key-server.ts';
import { faultOf, type HttpSecret, HttpWorld } from './http-world.ts';

const LEAK = 'a-leaked-value';
const file = (name: string) => readFile(join(import.meta.dirname, 'tls', name), 'utf8');

let world: HttpWorld;
let secret: HttpSecret;
beforeAll(async () => {
  world = await HttpWorld.start();
});
afterAll(() => world?.server.stop());
beforeEach(() => {
  world.server.interfere = () => undefined;
  secret = world.secret();
});

const answers = (answer: Interference) => {
  world.server.interfere = () => answer;
};
const probe = (more: Partial<RotatorSettings> = {}) =>
  world.rotator.probe(secret.incumbent, { ...secret.rotations.settings, ...more });
const body = JSON.stringify({ error: `${LEAK} is not right` });

describe('an answer to the test request', () => {
  it.each([401, 403])('of %i is a refusal', async (status) => {
    answers({ status, body });
    expect(await probe()).toBe('refused');
  });

  it('of 401 or 403 can never be declared as accepted: nothing is sent then', async () => {
    answers({ status: 401 });
    const { test } = secret.declaration;
    const asked = world.server.received.length;
    const http = { ...secret.declaration, test: { ...test, expect: [200, 401] } };
    const error = await faultOf((async () => probe({ http }))());
    expect(error).toBeInstanceOf(Misconfigured);
    expect(world.server.received).toHaveLength(asked);
  });

  it.each([
    [429, { 'retry-after': '17' }, RateLimited, /\(status 429\): it answers again in 17 s\.$/],
    [429, { 'retry-after': 'Sun, 01 Mar 2026 12:05:00 GMT' }, RateLimited, /answers again in 300 s\.$/],
    [429, { 'retry-after': LEAK }, Throttled, /http\.test\.$/],
    [500, { 'retry-after': '17' }, TransientFailure, /status 500/],
    [503, {}, TransientFailure, /status 503/],
    [503, { 'retry-after': '999999999' }, RateLimited, /\(status 503\): it answers again in 86400 s/],
    [408, {}, TransientFailure, /status 408/],
    [400, {}, Misconfigured, /status 400; it expects 200\./],
    [404, {}, Misconfigured, /status 404/],
    [204, {}, Misconfigured, /status 204/],
  ])('of %i with %j is no refusal', async (status, headers, Fault, text) => {
    answers({ status, headers, body });
    const error = await faultOf(probe());
    expect(error).toBeInstanceOf(Fault);
    expect(error.safeMessage).toMatch(text);
    expect(error.safeMessage).not.toContain(LEAK);
  });

  it.each([301, 302, 303, 307, 308])('that leads elsewhere (%i) is never followed', async (status) => {
    const elsewhere = await HttpWorld.start();
    answers({ status, headers: { location: `${elsewhere.server.url}/v1/whoami` } });
    const error = await faultOf(probe());
    expect(error).toBeInstanceOf(Misconfigured);
    expect(error.safeMessage).toMatch(/redirect/);
    expect(elsewhere.server.received).toEqual([]);
    await elsewhere.server.stop();
  });

  it('is used by its status alone', async () => {
    answers({ status: 200, headers: { 'content-type': 'text/html', 'content-encoding': 'gzip' }, body: '<not gzip' });
    expect(await probe()).toBe('accepted');
    answers({ status: 200, body: 'x'.repeat(2 * 1024 * 1024) });
    expect(await probe()).toBe('accepted');
  });
});

describe('an answer to create', () => {
  it.each([
    [200, CandidateUnproven],
    [202, CandidateUnproven],
    [204, CandidateUnproven],
    [300, CandidateUnproven],
    [303, CandidateUnproven],
    [308, CandidateUnproven],
    [400, Misconfigured],
    [404, Misconfigured],
    [401, AdminRefused],
    [429, RateLimited],
    // It may have been done: that must count as an attempt.
    [408, TransientFailure],
    [500, TransientFailure],
    [503, TransientFailure],
  ])('of %i says what may have been made', async (status, Fault) => {
    const { account } = secret;
    world.server.interfere = ({ method }) => {
      if (method !== 'POST') return undefined;
      const { id, value } = world.server.make(account, 'rekey-v1-1');
      const told = JSON.stringify({ data: { id, secret: value } });
      return { status, headers: { location: `/v1/${LEAK}`, 'retry-after': '17' }, body: told };
    };
    const error = await faultOf(world.issue(secret, 'v1'));
    expect(error).toBeInstanceOf(Fault);
    if (Fault === CandidateUnproven) {
      expect(error.safeMessage).toMatch(/A credential named "rekey-v1-1" may have been made\.$/);
    }
    expect(error.safeMessage).not.toContain(LEAK);
    // Of what an unexpected answer tells nothing is revoked: it may be of something that was there before.
    expect(world.names(account)).toEqual(['made by hand', 'rekey-v1-1']);
  });
});

describe('an API that is not there', () => {
  const at = (baseUrl: string) => ({ http: { ...secret.declaration, baseUrl } });

  it('is unreachable on a closed port, and under an unknown name', async () => {
    const closed = await faultOf(probe(at(`http://127.0.0.1:${await freePort()}`)));
    expect(closed).toBeInstanceOf(TargetUnreachable);
    expect(closed.safeMessage).toMatch(/ECONNREFUSED/);
    expect(await faultOf(probe(at('https://no-such-host.invalid')))).toBeInstanceOf(TargetUnreachable);
  });

  it('is not waited for when it says nothing', async () => {
    answers('silence');
    const error = await faultOf(sendTest({ answerMilliseconds: 200 }));
    expect(error).toBeInstanceOf(TransientFailure);
    expect(error.safeMessage).toMatch(/was lost \(time limit\)/);
  });

  it('is not waited for when its TLS handshake does not end', async () => {
    const sockets: Socket[] = [];
    const mute: Server = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const baseUrl = `https://127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const error = await faultOf(sendTest({ connectMilliseconds: 100 }, baseUrl));
    expect(error).toBeInstanceOf(TargetUnreachable);
    expect(error.safeMessage).toMatch(/ETIMEDOUT/);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
  });

  it('is not waited for when it changes over to another protocol, and keeps the connection', async () => {
    const switching = createServer((socket) => {
      socket.on('error', () => undefined);
      const head = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
      socket.once('data', () => socket.write(head));
    });
    await new Promise<void>((resolve) => switching.listen(0, '127.0.0.1', resolve));
    const baseUrl = `http://127.0.0.1:${(switching.address() as AddressInfo).port}`;
    const error = await faultOf(sendTest({ answerMilliseconds: 1_000 }, baseUrl));
    expect(error).toBeInstanceOf(TransientFailure);
    expect(error.safeMessage).toMatch(/was lost \(connection ended\)/);
    await new Promise((resolve) => switching.close(resolve)); // Which waits for every connection.
  });

  it('is not listened to when it does not come to an end', async () => {
    const endless = createServer((socket) => {
      socket.on('error', () => undefined);
      const write = (): void => {
        while (socket.writable && socket.write('x'.repeat(65_536)));
      };
      socket.on('drain', write);
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        write();
      });
    });
    await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
    const baseUrl = `http://127.0.0.1:${(endless.address() as AddressInfo).port}`;
    const answer = await sendTest({ answerMilliseconds: 5_000 }, baseUrl);
    expect(answer).toMatchObject({ status: 200, body: { unusable: 'is larger than 1 MiB' } });
    await new Promise((resolve) => endless.close(resolve));
  });

  it('has failed when it ends the connection in the middle', async () => {
    answers('answer lost');
    expect(await faultOf(probe())).toBeInstanceOf(TransientFailure);
  });

  it('has failed when it does not speak HTTP, and the fault holds nothing of what it said', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nx-token: ${LEAK}\r\n${LEAK} without colon\r\n\r\n`));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const error = await faultOf(sendTest({}, `http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    expect(error).toBeInstanceOf(TransientFailure);
    expect(error.safeMessage).toMatch(/was lost \(HPE_\w+\)/);
    expect(Object.keys(error.cause as object).sort()).toEqual(['code', 'name']);
    expect(JSON.stringify(error.cause)).not.toContain(LEAK);
    await new Promise((resolve) => server.close(resolve));
  });

  function sendTest(limits: Parameters<typeof send>[2], baseUrl = world.server.url) {
    const request = {
      name: 'test',
      method: 'GET',
      path: '/v1/whoami',
      headers: {},
      body: undefined,
      expect: [200],
    } as const;
    return send({ baseUrl, certificateAuthority: undefined }, request, limits);
  }
});

describe('TLS', () => {
  let secure: HttpWorld;
  beforeAll(async () => {
    secure = await HttpWorld.start({ key: await file('server.key'), cert: await file('server.crt') });
  });
  afterAll(() => secure?.server.stop());
  const connect = async (more: Partial<HttpDeclaration>) => {
    const { rotations, incumbent, declaration } = secure.secret();
    return secure.rotator.probe(incumbent, { ...rotations.settings, http: { ...declaration, ...more } });
  };

  it('is trusted with a declared authority, and only with it', async () => {
    expect(await connect({ certificateAuthority: await file('authority.crt') })).toBe('accepted');
    for (const certificateAuthority of [undefined, rootCertificates[0]]) {
      const error = await faultOf(connect(certificateAuthority === undefined ? {} : { certificateAuthority }));
      expect(error).toBeInstanceOf(TargetUnreachable);
      expect(error.safeMessage).toMatch(
        /is not trusted \(.+\): declare its authority as certificate_authority in http, beside base_url\.$/,
      );
    }
  });

  it('is trusted through a whole rotation', async () => {
    const certificateAuthority = await file('authority.crt');
    const { rotations, account } = secure.secret({ declare: (declared) => ({ ...declared, certificateAuthority }) });
    const { preflight } = await rotations.rotate();
    expect(preflight.facts['tls']).toBe('verified');
    expect(secure.names(account)).toHaveLength(1);
  });

  it('is refused under a name that the certificate does not have, whatever the environment says', async () => {
    const baseUrl = secure.server.url.replace('127.0.0.1', 'localhost');
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const error = await faultOf(connect({ baseUrl, certificateAuthority: await file('authority.crt') }));
      expect(error).toBeInstanceOf(TargetUnreachable);
      expect(error.safeMessage).toMatch(/is not for this name \(ERR_TLS_CERT_ALTNAME_INVALID\): base_url in http/);
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });
});

describe('the administrator', () => {
  const versionId = 'v1';

  it('is found refused by preflight where there is a list', async () => {
    const { rotations } = world.secret({ admin: JSON.stringify({ token: `wrong-${LEAK}` }) });
    const error = await faultOf(rotations.preflight(versionId));
    expect(error).toBeInstanceOf(AdminRefused);
    expect(error.safeMessage).not.toContain(LEAK);
  });

  it('is found refused by create and by revoke', async () => {
    const wrong = world.secret({ admin: JSON.stringify({ token: LEAK }) });
    await expect(world.issue(wrong, versionId)).rejects.toBeInstanceOf(AdminRefused);
    const brought = await secret.rotations.bringIn();
    const { settings } = secret.rotations;
    const retirement = {
      settings,
      identity: secret.key.id,
      versionId: 'v0',
      value: secret.incumbent,
      survivor: brought.value,
    };
    const admin = new SecretText(JSON.stringify({ token: LEAK }));
    await expect(world.rotator.retire({ ...retirement, admin })).rejects.toBeInstanceOf(AdminRefused);
    expect(world.server.opens(secret.key.value)).toBe(true);
  });

  it.each([
    ['missing', undefined, /declare admin_secret/],
    ['a plain text', LEAK, /needs a JSON object/],
    ['a JSON object without the key', JSON.stringify({ tokn: LEAK }), /has no text for {{admin\.token}}/],
    ['a JSON object with a list there', JSON.stringify({ token: [LEAK] }), /has no text for {{admin\.token}}/],
    ['a token with a line break', JSON.stringify({ token: `${LEAK}\n` }), /line break/],
  ])('that is %s stops in preflight', async (_, admin, text) => {
    const asked = world.server.received.length;
    const error = await faultOf(world.secret({ admin }).rotations.preflight(versionId));
    expect(error).toBeInstanceOf(Misconfigured);
    expect(error.safeMessage).toMatch(text);
    expect(error.safeMessage).not.toContain(LEAK);
    expect(world.server.received.length).toBe(asked);
  });

  it('may be plain text', async () => {
    const authorization = { authorization: 'Bearer {{admin}}' };
    const plain = world.secret({
      admin: world.server.admin,
      declare: ({ list, ...http }) => ({
        ...http,
        create: { ...http.create, headers: authorization },
        revoke: { ...http.revoke, headers: authorization },
        ...(list === undefined ? {} : { list: { ...list, headers: authorization } }),
      }),
    });
    await plain.rotations.rotate();
    expect(world.names(plain.account)).toHaveLength(1);
    const whole = { ...plain, admin: new SecretText(JSON.stringify({ token: LEAK })) };
    const error = await faultOf(world.issue(whole, versionId));
    expect(error).toBeInstanceOf(Misconfigured);
    expect(error.safeMessage).toMatch(/say which key/);
  });

  it('is never shown to a credential: the test request does not know it', async () => {
    world.server.received.length = 0;
    await secret.rotations.rotate();
    const tests = world.server.received.filter(({ path }) => path === '/v1/whoami');
    expect(tests.length).toBeGreaterThan(3);
    for (const { headers } of tests) expect(headers['authorization']).not.toContain(world.server.admin);
  });
});

describe('preflight', () => {
  it('stops at an incumbent that the API refuses', async () => {
    world.server.revoke(secret.account, () => true);
    await expect(secret.rotations.preflight('v1')).rejects.toBeInstanceOf(IncumbentRefused);
  });

  it.each([
    ['goes on, and says so, where it ended by itself, at the very moment', 0, undefined],
    ['stops where its own end has not come yet: somebody has revoked it', 1, IncumbentRefused],
  ])('at an incumbent that the API refuses %s', async (_, seconds, Fault) => {
    world.server.revoke(secret.account, () => true);
    const { settings, current } = secret.rotations;
    const expiresAt = new Date(world.clock.now().getTime() + seconds * 1000);
    const { versionId } = current;
    const input = {
      settings,
      admin: secret.admin,
      incumbent: secret.incumbent,
      versionId: 'v1',
      incumbentVersionId: versionId,
      known: [
        { identity: secret.key.id, versionId, state: 'current', expiresAt },
        { identity: 'another', versionId: 'v0', state: 'grace', expiresAt: new Date(0) },
      ],
    } as const;
    const running = world.rotator.preflight(input);
    if (Fault !== undefined) return expect(running).rejects.toBeInstanceOf(Fault);
    const { incumbent, facts } = await running;
    expect(incumbent).toBe(secret.key.id);
    expect(facts['incumbent']).toBe(
      `refused: it ended by itself at ${expiresAt.toISOString()}, and this rotation replaces it`,
    );
  });

  it('stops at a declaration that is missing or wrong, before it asks anything', async () => {
    const asked = world.server.received.length;
    const { admin, incumbent, declaration, rotations } = secret;
    const { http: _, ...settings } = rotations.settings;
    const input = { admin, incumbent, versionId: 'v1', known: [] };
    await expect(world.rotator.preflight({ ...input, settings })).rejects.toThrow(/has no http:/);
    const http = { ...declaration, test: { ...declaration.test, headers: { a: '{{vale}}' } } };
    const error = await faultOf(world.rotator.preflight({ ...input, settings: { ...settings, http } }));
    expect(error).toBeInstanceOf(Misconfigured);
    expect(error.safeMessage).toMatch(/test has {{vale}}, .* \(and 1 more\)$/);
    expect(world.server.received.length).toBe(asked);
  });

  it.each([
    ['is no JSON', { status: 200, headers: { 'content-type': 'text/plain' }, body }, /is not JSON/],
    ['is compressed, unasked', { status: 200, headers: { 'content-encoding': 'br' }, body }, /is compressed/],
    ['has no list', { status: 200, body }, /does not lead to a list/],
  ] as const)('stops at a list that %s', async (_, answer, text) => {
    world.server.interfere = ({ path }) => (path.endsWith('/keys') ? answer : undefined);
    const error = await faultOf(secret.rotations.preflight('v1'));
    expect(error).toBeInstanceOf(Misconfigured);
    expect(error.safeMessage).toMatch(text);
    expect(error.safeMessage).not.toContain(LEAK);
  });

  it('takes a list whose type is not said, or said with a suffix', async () => {
    for (const type of ['application/vnd.api+json', 'Application/JSON; charset=utf-8', 'text/json']) {
      const answer = { status: 200, headers: { 'content-type': type }, body: '{"data":[]}' };
      world.server.interfere = ({ path }) => (path.endsWith('/keys') ? answer : undefined);
      await secret.rotations.preflight('v1');
    }
  });
});

describe('a candidate', () => {
  it('is tried until it is accepted as many times in a row as asked', async () => {
    const brought = await secret.rotations.bringIn();
    const script = [401, 200, 503, 200, 200];
    world.server.interfere = () => {
      const status = script.shift();
      return status === undefined || status === 200 ? undefined : { status };
    };
    const settings = { ...secret.rotations.settings, healthyThreshold: 3 };
    const before = world.clock.now().getTime();
    const asked = world.server.received.length;
    expect(await world.rotator.test({ settings, candidate: brought.value, incumbentIdentity: undefined })).toEqual({
      healthy: 3,
      parity: ['test request'],
    });
    expect(world.clock.now().getTime() - before).toBe(2000);
    expect(world.server.received.length - asked).toBe(6);
  });

  it('is not tried before the time that the API has said, and after it as before', async () => {
    const brought = await secret.rotations.bringIn();
    const limited = { headers: { 'retry-after': '3' } };
    const script: Interference[] = [
      { status: 429, ...limited },
      { status: 503, ...limited },
    ];
    const at: number[] = [];
    world.server.interfere = () => {
      at.push(world.clock.now().getTime());
      return script.shift();
    };
    const started = world.clock.now().getTime();
    const settings = { ...secret.rotations.settings, preheatSeconds: 6 };
    await world.rotator.test({ settings, candidate: brought.value, incumbentIdentity: undefined });
    expect(at.map((time) => time - started)).toEqual([0, 3000, 6000]);
  });

  it('waits for no time that is past its pre-heat: whoever runs the step does', async () => {
    const brought = await secret.rotations.bringIn();
    answers({ status: 429, headers: { 'retry-after': '6' } });
    const asked = world.server.received.length;
    const error = await faultOf(secret.rotations.test(brought));
    expect(error).toBeInstanceOf(RateLimited);
    expect((error as RateLimited).retryAfterSeconds).toBe(6);
    expect(world.server.received.length - asked).toBe(1);
  });

  it('is unproven after the pre-heat time, with the last reason', async () => {
    const brought = await secret.rotations.bringIn();
    for (const [answer, reason] of [
      [{ status: 403 }, /within 5 s: it is refused/],
      [{ status: 429 }, /within 5 s: The API asks to slow down/],
    ] as const) {
      answers(answer);
      const error = await faultOf(secret.rotations.test(brought));
      expect(error).toBeInstanceOf(CandidateUnproven);
      expect(error.safeMessage).toMatch(reason);
    }
  });
});
