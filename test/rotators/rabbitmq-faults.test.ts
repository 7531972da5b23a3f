import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  AdminRefused,
  Misconfigured,
  RefusedByPolicy,
  RekeyError,
  StillAlive,
  TargetUnreachable,
  Throttled,
  TransientFailure,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { AmqpLogins, type LoginResult } from '../../shared/rotators/rabbitmq/amqp-login.ts';
import { readUser, writeUser } from '../../shared/rotators/rabbitmq/broker-user.ts';
import { endConnections } from '../../shared/rotators/rabbitmq/end-connections.ts';
import { withoutStale } from '../../shared/rotators/rabbitmq/stale-connections.ts';
import { HttpExchange } from '../../shared/rotators/rabbitmq/http-exchange.ts';
import { Management } from '../../shared/rotators/rabbitmq/management.ts';
import { Transport } from '../../shared/rotators/rabbitmq/transport.ts';
import type { RotatorSettings } from '../../shared/rotators/rotator.ts';
import { preheat } from '../../shared/rotators/rabbitmq/preheat.ts';
import { rabbitmqRotator } from '../../shared/rotators/rabbitmq/rabbitmq-rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';

// What a broker answers seldom, or when it is ill: servers that answer just that.

const SECRET = 'a-leaked-value';
const servers: (HttpServer | Server)[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listening(server: HttpServer | Server): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

const login = (port: number) => ({
  host: '127.0.0.1',
  port,
  vhost: '/',
  username: 'app',
  password: new SecretText(SECRET),
  tls: 'disable' as const,
});

async function managed(answer: RequestListener): Promise<Management> {
  return new Management(login(await listening(createHttpServer(answer))), new Transport());
}

async function faultOf(work: Promise<unknown>): Promise<RekeyError> {
  const fault = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(fault).toBeInstanceOf(RekeyError);
  expect((fault as RekeyError).safeMessage).not.toContain(SECRET);
  return fault as RekeyError;
}

const user = { name: 'app', passwordHash: '', hashingAlgorithm: 'x', tags: [], limits: new Map() };

describe('the management API', () => {
  it.each([
    [401, { error: 'not_authorized', reason: 'Login failed' }, AdminRefused, /refused the administrator's credential/],
    [401, { error: 'not_authorised', reason: 'Not administrator user' }, Misconfigured, /tag "administrator"/],
    [401, { error: 'not_authorised', reason: 'Not management user' }, Misconfigured, /tag "administrator"/],
    [
      401,
      { error: 'not_authorised', reason: 'User can only log in via localhost' },
      Misconfigured,
      /only from its own machine \(loopback_users\)/,
    ],
    [
      401,
      { error: 'not_authorised', reason: 'HTTP access denied: basic auth disabled' },
      Misconfigured,
      /basic authentication/,
    ],
    [401, SECRET, AdminRefused, /refused/],
    [403, SECRET, Misconfigured, /basic authentication/],
    [400, { error: 'bad_request', reason: ['not_base64', SECRET] }, RefusedByPolicy, /refuses it \(HTTP 400\)/],
    [400, { error: 'bad_request', reason: 'vhost_or_user_not_found' }, TransientFailure, /HTTP 400/],
    [405, SECRET, Misconfigured, /HTTP 405.*RabbitMQ 3\.10\.7 or later/],
    [429, SECRET, Throttled, /slow down/],
    [408, SECRET, TransientFailure, /HTTP 408/],
    [500, { error: SECRET, reason: SECRET }, TransientFailure, /HTTP 500/],
    [503, SECRET, TransientFailure, /HTTP 503/],
  ])('answers %i with %j', async (status, body, type, text) => {
    const management = await managed((_, response) => {
      response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    for (const work of [readUser(management, 'app'), writeUser(management, user), management.remove('x', ['x'])]) {
      const fault = await faultOf(work);
      expect(fault).toBeInstanceOf(type);
      expect(fault.safeMessage).toMatch(text);
    }
    management.end();
  });

  it('is asked for nothing where it redirects', async () => {
    const asked: string[] = [];
    const elsewhere = await listening(createHttpServer((request) => void asked.push(String(request.url))));
    const management = await managed((_, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${elsewhere}/api/users/app` }).end();
    });
    const fault = await faultOf(readUser(management, 'app'));
    expect(fault).toBeInstanceOf(Misconfigured);
    expect(fault.safeMessage).toMatch(/HTTP 302/);
    expect(asked).toEqual([]);
    management.end();
  });

  it.each(['<html>', '[]', '{}', '{"name":1}', '', 'null'])('is another service where it answers %j', async (body) => {
    const management = await managed((_, response) => void response.end(body));
    expect(await faultOf(readUser(management, 'app'))).toBeInstanceOf(Misconfigured);
    management.end();
  });

  it('may end in the middle of an answer: then nobody knows what it has done', async () => {
    const management = await managed((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{');
      setImmediate(() => response.destroy());
    });
    for (const work of [readUser(management, 'app'), writeUser(management, user)]) {
      const fault = await faultOf(work);
      expect(fault).toBeInstanceOf(TransientFailure);
      expect(fault.safeMessage).toMatch(/lost while (reading|writing) a user/);
    }
    management.end();
  });

  it('may answer without an end: it is not read for ever', async () => {
    const management = await managed((_, response) => {
      const chunk = Buffer.alloc(1024 * 1024, 'a');
      const more = () => {
        while (response.write(chunk));
        response.once('drain', more);
      };
      more();
    });
    const fault = await faultOf(readUser(management, 'app'));
    expect(fault).toBeInstanceOf(TransientFailure);
    expect(fault.safeMessage).toMatch(/longer than can be read/);
    management.end();
  });

  it('may not answer at all, or not even take the connection: there are limits', async () => {
    const silent = createServer(() => undefined);
    const port = await listening(silent);
    const request = { method: 'GET', path: '/', headers: {} } as const;
    const waiting = new HttpExchange(login(port), new Transport(), { connect: 5_000, answer: 50 });
    const unanswered = await faultOf(waiting.send(request, 'waiting'));
    expect(unanswered).toBeInstanceOf(TransientFailure);
    expect(unanswered.safeMessage).toMatch(/lost while waiting \(time limit\)/);
    // A TLS greeting that nobody answers is no connection yet.
    const endpoint = { ...login(port), tls: 'require' as const };
    const greeting = new HttpExchange(endpoint, new Transport(), { connect: 50, answer: 60_000 });
    const unconnected = await faultOf(greeting.send(request, 'greeting'));
    expect(unconnected).toBeInstanceOf(TargetUnreachable);
    expect(unconnected.safeMessage).toMatch(/cannot be reached \(time limit\)/);
    for (const exchange of [waiting, greeting]) exchange.end();
  });

  it('may not be there', async () => {
    const management = new Management(login(1), new Transport());
    const fault = await faultOf(readUser(management, 'app'));
    expect(fault).toBeInstanceOf(TargetUnreachable);
    expect(fault.safeMessage).toBe('127.0.0.1:1 cannot be reached (ECONNREFUSED).');
    management.end();
  });
});

describe('the connections of a user that has ended', () => {
  /** What the broker lists at each look, the last of them ever after; and what its statistics have under a name. */
  async function listing(looks: readonly (readonly string[])[], inStatistics: Readonly<Record<string, object>> = {}) {
    const asked: string[] = [];
    let look = -1;
    const management = await managed((request, response) => {
      asked.push(String(request.method));
      const name = decodeURIComponent(String(request.url).replace('/api/connections/', ''));
      if (request.method === 'DELETE') response.writeHead(204).end();
      else if (name.startsWith('username/')) {
        look += 1;
        response.end(JSON.stringify((looks[look] ?? looks.at(-1) ?? []).map((listed) => ({ name: listed }))));
      } else {
        const found = inStatistics[name];
        response.writeHead(found === undefined ? 404 : 200).end(JSON.stringify(found ?? {}));
      }
    });
    return { management, asked };
  }

  async function ending(...work: Parameters<typeof listing>) {
    const { management, asked } = await listing(...work);
    return { ended: endConnections(management, 'app', new ManualClock()), asked };
  }

  it('are looked for until there have been none for a while', async () => {
    const { ended, asked } = await ending([[], [], ['late'], ['later', 'latest'], []]);
    expect(await ended).toEqual({ ended: 3, stale: 0 });
    expect(asked).toEqual(['GET', 'GET', 'GET', 'DELETE', 'GET', 'DELETE', 'GET', 'GET', 'GET', 'GET']);
  });

  it.each([
    ['the statistics have it', { user: 'app', state: 'running' }],
    ['the broker keeps no statistics', { name: 'for ever' }],
  ])('are not waited for without end: one lives where %s', async (_, found) => {
    const { ended } = await ending([['of the past', 'for ever']], { 'for ever': found });
    const fault = await faultOf(ended);
    expect(fault).toBeInstanceOf(StillAlive);
    expect(fault.safeMessage).toContain('2 of its connections do not end');
  });

  it('are of the past where the statistics do not have them, or have another user’s there', async () => {
    const { ended } = await ending(
      [
        ['ended', 'a -> b', 'c -> d'],
        ['a -> b', 'c -> d'],
      ],
      { 'c -> d': { user: 'other' } },
    );
    expect(await ended).toEqual({ ended: 1, stale: 2 });
  });

  it('are not of the past while the statistics may not have them yet', async () => {
    // Two looks at the deadline of 15 s, one every 150 ms.
    const looks = Array.from({ length: 101 }, (_, look) => (look < 90 ? ['old'] : ['old', 'new']));
    const { ended } = await ending(looks);
    expect(await faultOf(ended)).toBeInstanceOf(StillAlive);
  });

  it('are told from entries of the past in preflight: after one interval of the statistics they are in them', async () => {
    const told = async (looks: readonly (readonly string[])[], ...found: Parameters<typeof listing>[1][]) => {
      const clock = new ManualClock();
      const before = clock.now().getTime();
      // The first look is the caller's.
      const [listed = [], ...others] = looks;
      const { management, asked } = await listing(others.length === 0 ? looks : others, ...found);
      const answer = await withoutStale(management, 'app', { listed, clock });
      return { ...answer, asked: asked.length, waited: clock.now().getTime() - before };
    };
    expect(await told([[]])).toEqual({ open: [], stale: [], asked: 0, waited: 0 });
    const live = { live: { user: 'app' } };
    expect(await told([['live', 'past']], live)).toEqual({ open: ['live', 'past'], stale: [], asked: 1, waited: 0 });
    expect(await told([['past']])).toEqual({ open: [], stale: ['past'], asked: 3, waited: 6_000 });
    // The second look finds one that the statistics have by now, or may not have yet.
    expect(await told([['past'], ['past', 'live']], live)).toMatchObject({ open: ['past', 'live'], stale: [] });
    expect(await told([['past'], ['past', 'new']])).toMatchObject({ open: ['past', 'new'], stale: [] });
    expect(await told([['past', 'ended'], []])).toMatchObject({ open: [], stale: [] });
  });
});

/** AMQP 0-9-1, 4.2.3: a method frame of channel 0. */
function frame(classId: number, methodId: number, ...fields: readonly Buffer[]): Buffer {
  const payload = Buffer.concat([Buffer.from([0, classId, 0, methodId]), ...fields]);
  const head = Buffer.alloc(7);
  head[0] = 1;
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.from([0xce])]);
}

function longText(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, Buffer.from(text)]);
}

const start = (mechanisms: string) =>
  frame(10, 10, Buffer.from([0, 9]), longText(''), longText(mechanisms), longText('en_US'));
const tune = frame(10, 30, Buffer.from([0, 0, 0, 2, 0, 0, 0, 0]));
const openOk = frame(10, 41, Buffer.from([0]));
function close(code: number, words = SECRET): Buffer {
  return frame(10, 50, Buffer.from([code >> 8, code & 255, words.length]), Buffer.from(words), Buffer.alloc(4));
}
const closeOk = frame(10, 51);

/** Answers each thing that a client says with the next of `answers`; then says nothing more. */
async function amqp(...answers: readonly (Buffer | 'end')[]): Promise<number> {
  return listening(
    createServer((socket) => {
      const left = [...answers];
      socket.on('data', () => {
        const answer = left.shift();
        if (answer === 'end') socket.end();
        else if (answer !== undefined) socket.write(answer);
      });
    }),
  );
}

/** The same with other answers for each connection. */
async function amqpInTurn(...connections: readonly (readonly (Buffer | 'end')[])[]): Promise<number> {
  let connected = 0;
  return listening(
    createServer((socket) => {
      const left = [...(connections[connected] ?? [])];
      connected += 1;
      socket.on('error', () => undefined);
      socket.on('data', () => {
        const answer = left.shift();
        if (answer === 'end') socket.end();
        else if (answer !== undefined) socket.write(answer);
      });
    }),
  );
}

const LIMITS = { silence: 200, login: 400 };

describe('a broker', () => {
  it.each([
    ['says nothing', [], TargetUnreachable, /cannot be reached \(time limit\)/],
    ['ends the connection', ['end'], TargetUnreachable, /cannot be reached \(connection ended\)/],
    [
      'speaks something else',
      [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
      TargetUnreachable,
      /cannot be reached/,
    ],
    ['takes no passwords', [start('EXTERNAL AMQPLAIN')], Misconfigured, /SASL PLAIN is turned off/],
    ['has an inner error', [start('PLAIN'), close(541)], TargetUnreachable, /ended the login \(AMQP 541\)/],
    ['is being stopped', [start('PLAIN'), close(320)], TransientFailure, /closing its connections \(320\)/],
    ['says nothing after the password', [start('PLAIN')], TargetUnreachable, /time limit/],
    [
      'is stopped while it opens a channel',
      [start('PLAIN'), tune, openOk, close(320)],
      TransientFailure,
      /lost while opening a channel/,
    ],
    ['opens no channel', [start('PLAIN'), tune, openOk], TransientFailure, /opening a channel \(time limit\)/],
  ] as const)('that %s', async (_, answers, type, text) => {
    const outcomes: string[] = [];
    const logins = new AmqpLogins(new Transport(), (outcome) => outcomes.push(outcome), LIMITS);
    const fault = await faultOf(logins.login(login(await amqp(...answers))));
    expect(fault).toBeInstanceOf(type);
    expect(fault.safeMessage).toMatch(text);
    expect(outcomes).toEqual(['failed']);
  });

  it('that refuses, or keeps the virtual host closed, has answered', async () => {
    const logins = new AmqpLogins(new Transport(), undefined, LIMITS);
    const refused = await logins.login(login(await amqp(start('PLAIN'), close(403))));
    const closed = await logins.login(login(await amqp(start('PLAIN'), tune, close(530))));
    expect([refused.kind, closed.kind]).toEqual(['refused', 'no vhost']);
  });

  it.each([
    ["connection refused for user 'app': user connection limit (3) is reached", { kind: 'full', limitOf: 'user' }],
    [
      "access to vhost '/' refused for user 'app': connection limit (10) is reached",
      { kind: 'full', limitOf: 'broker' },
    ],
    ['connection refused: node connection limit (100) is reached', { kind: 'full', limitOf: 'broker' }],
    // Closed to it: that is how a user is retired.
    ["connection refused for user 'app': user connection limit (0) is reached", { kind: 'no vhost' }],
    ["access to vhost ': connection limit (1) is reached' refused for user 'app'", { kind: 'no vhost' }],
    ['vhost / not found', { kind: 'no vhost' }],
    ['', { kind: 'no vhost' }],
  ])('that closes it with "%s" is understood', async (words, expected) => {
    const logins = new AmqpLogins(new Transport(), undefined, LIMITS);
    const port = await amqp(start('PLAIN'), tune, close(530, words));
    expect(await logins.login(login(port))).toMatchObject(expected);
  });

  it.each([
    ['opens it after all', [start('PLAIN'), tune, openOk, closeOk], 'accepted'],
    ['says nothing more', [start('PLAIN')], 'no vhost'],
    ['ends the connection', [start('PLAIN'), 'end'], 'no vhost'],
    ['refuses', [start('PLAIN'), close(403)], 'no vhost'],
    ['speaks something else', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')], 'no vhost'],
    ['sends more than a frame', [Buffer.concat([start('PLAIN').subarray(0, 3), Buffer.alloc(64, 255)])], 'no vhost'],
    ['sends a frame without its end', [start('PLAIN').fill(0, start('PLAIN').length - 1)], 'no vhost'],
  ] as const)('that %s when it is asked why it keeps the virtual host closed', async (_, answers, kind) => {
    const logins = new AmqpLogins(new Transport(), undefined, LIMITS);
    const first: readonly (Buffer | 'end')[] = [start('PLAIN'), tune, close(530)];
    expect(await logins.login(login(await amqpInTurn(first, answers)))).toMatchObject({ kind });
  });

  it('is understood however its answers are cut into pieces', async () => {
    const words = "connection refused for user 'app': user connection limit (3) is reached";
    const logins = new AmqpLogins(new Transport(), undefined, LIMITS);
    const answers = [start('PLAIN'), tune, close(530, words)].map((answer) =>
      [...answer].map((byte) => Buffer.of(byte)),
    );
    const port = await listening(
      createServer((socket) => {
        socket.setNoDelay(true);
        const left = [...answers];
        socket.on('error', () => undefined);
        socket.on('data', () => {
          for (const byte of left.shift() ?? []) socket.write(byte);
        });
      }),
    );
    expect(await logins.login(login(port))).toMatchObject({ kind: 'full' });
  });

  it('that lets "guest" in only from its own machine is told from one that refuses', async () => {
    const port = await amqp(start('PLAIN'), close(403));
    const managementPort = await listening(
      createHttpServer((request, response) => {
        const answers: Record<string, unknown> = {
          '/api/overview': { rabbitmq_version: '4.0.0' },
          '/api/connections/username/guest_a': [],
          '/api/users/guest': { name: 'guest', password_hash: '', hashing_algorithm: 'x', tags: [] },
          '/api/users/guest/permissions': [],
          '/api/users/guest/topic-permissions': [],
        };
        const answer = answers[request.url ?? ''];
        response.writeHead(answer === undefined ? 404 : 200).end(JSON.stringify(answer));
      }),
    );
    const preflight = (host: string) =>
      rabbitmqRotator({ clock: new ManualClock() }).preflight({
        settings: {
          secretId: 'guests',
          mode: 'two_roles',
          preheatSeconds: 1,
          healthyThreshold: 1,
          endSessions: true,
          connection: { host, port, managementPort, tls: 'disable' },
        },
        admin: new SecretText(JSON.stringify({ username: 'boss', password: SECRET })),
        incumbent: new SecretText(JSON.stringify({ username: 'guest', password: 'guest' })),
        versionId: 'v1',
        known: [],
      });
    expect((await faultOf(preflight('0.0.0.0'))).safeMessage).toMatch(/"guest" in only from its own machine/);
    expect((await faultOf(preflight('127.0.0.1'))).name).toBe('IncumbentRefused');
  });
});

describe('a candidate that is one too many', () => {
  const cause = undefined;
  const full: LoginResult = { kind: 'full', limitOf: 'user', cause };
  async function preheated(...results: readonly LoginResult[]) {
    const clock = new ManualClock();
    const before = clock.now().getTime();
    const left = [...results];
    const logins = { login: async () => left.shift() ?? full } as unknown as AmqpLogins;
    const settings = { preheatSeconds: 1, healthyThreshold: 3 } as RotatorSettings;
    const healthy = await preheat(login(1), settings, { clock, transport: new Transport(), logins });
    return { healthy, waited: clock.now().getTime() - before, left: left.length };
  }
  const accepted: LoginResult = { kind: 'accepted' };

  it('is waited for, and what was healthy stays so: it is the try before that is still closing', async () => {
    const found = await preheated(accepted, full, accepted, full, accepted);
    expect(found).toEqual({ healthy: 3, waited: 500, left: 0 });
  });

  it('counts from the start again when it is refused', async () => {
    const refused: LoginResult = { kind: 'refused', cause };
    const found = await preheated(accepted, accepted, refused, accepted, accepted, accepted, accepted);
    expect(found).toEqual({ healthy: 3, waited: 250, left: 1 });
  });

  it('is not healthy when it stays so', async () => {
    const fault = await faultOf(preheated(accepted, accepted));
    expect(fault.name).toBe('CandidateUnproven');
    expect(fault.safeMessage).toContain('its limit of connections is reached');
  });
});
