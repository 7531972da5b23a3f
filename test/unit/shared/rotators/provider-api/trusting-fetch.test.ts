import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createRawServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { freePort } from '../../../../../infra/local/free-port.ts';
import { connectionFault } from '../../../../../shared/rotators/provider-api/connection-faults.ts';
import { limitedFetch } from '../../../../../shared/rotators/provider-api/limited-fetch.ts';
import { trustingFetch } from '../../../../../shared/rotators/provider-api/trusting-fetch.ts';
import * as fc from '../../../../harness/properties.ts';

const file = (name: string) => readFileSync(join(import.meta.dirname, '../../../../rotators/tls', name), 'utf8');
const LEAK = 'a-leaked-value';
const MOST_BYTES = 8 * 1024 * 1024;
const TOO_LARGE = {
  name: 'TransientFailure',
  safeMessage: 'The connection to the API was lost while asking (connection ended).',
};

let handle: (request: IncomingMessage & { text: string }, response: ServerResponse) => void;
const listener: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => handle(Object.assign(request, { text: Buffer.concat(chunks).toString() }), response));
};
const plain = createServer(listener);
const secure = createSecureServer({ key: file('server.key'), cert: file('server.crt') }, listener);
const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;
const trusting = trustingFetch(file('authority.crt'));

beforeAll(() => Promise.all([plain, secure].map(listen)));
afterAll(() => Promise.all([plain, secure].map(close)));

async function listen(server: Pick<Server, 'listen'>): Promise<void> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

const fault = (attempt: Promise<unknown>) =>
  attempt.then(
    () => {
      throw new Error('nothing went wrong');
    },
    (error: unknown) => error,
  );

/** The SDKs were written for the built-in one, so what it does is what is expected of the other. */
const FETCHES = [
  ['the built-in fetch', fetch, () => `http://127.0.0.1:${portOf(plain)}`],
  ['trustingFetch without TLS', trusting, () => `http://127.0.0.1:${portOf(plain)}`],
  ['trustingFetch with TLS', trusting, () => `https://127.0.0.1:${portOf(secure)}`],
] as const;

describe.each(FETCHES)('%s', (_, send, origin) => {
  it('sends method, path, query, headers and body', async () => {
    const seen: unknown[] = [];
    handle = ({ method, url, headers, text }, response) => {
      const { authorization, 'x-custom': custom, 'content-type': type, host } = headers;
      seen.push({ method, url, authorization, custom, type, host, text });
      response.end();
    };
    const headers = { Authorization: 'Bearer abc', 'X-Custom': 'a, b', 'content-type': 'application/json' };
    const body = '{"name":"ä"}';
    await send(`${origin()}/v1/a%20b/keys?after=a%2Fb&x=`, { method: 'POST', headers, body });
    await send(new URL(`${origin()}/`), { method: 'DELETE' });
    await send(new Request(`${origin()}/of-a-request`, { method: 'PATCH', body: 'x' }));
    await send(`${origin()}/keys/1`, { method: 'DELETE', body: new Uint8Array([121]) });
    const host = new URL(origin()).host;
    expect(seen).toEqual([
      {
        method: 'POST',
        url: '/v1/a%20b/keys?after=a%2Fb&x=',
        authorization: 'Bearer abc',
        custom: 'a, b',
        type: 'application/json',
        host,
        text: body,
      },
      { method: 'DELETE', url: '/', host, text: '' },
      { method: 'PATCH', url: '/of-a-request', type: 'text/plain;charset=UTF-8', host, text: 'x' },
      { method: 'DELETE', url: '/keys/1', host, text: 'y' },
    ]);
  });

  it.each([200, 201, 400, 401, 404, 422, 429, 500, 503])('answers %i as it is', async (status) => {
    handle = (_request, response) => {
      response.writeHead(status, [
        ['content-type', 'application/json; charset=utf-8'],
        ['Retry-After', '17'],
        ['x-twice', 'a'],
        ['x-twice', 'b'],
      ] as never);
      response.end('{"message":"ö"}');
    };
    const answer = await send(origin());
    expect([answer.status, answer.ok]).toEqual([status, status < 300]);
    expect(answer.headers.get('retry-after')).toBe('17');
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.get('x-twice')).toBe('a, b');
    expect(await answer.json()).toEqual({ message: 'ö' });
  });

  it.each([204, 205, 304])('answers %i without a body', async (status) => {
    handle = (_request, response) => {
      response.writeHead(status, { 'x-seen': 'yes' });
      response.end();
    };
    const answer = await send(origin(), { method: 'DELETE' });
    expect([answer.status, answer.headers.get('x-seen'), await answer.text()]).toEqual([status, 'yes', '']);
  });

  it.each([301, 302, 303, 307, 308])(
    'follows no redirect (%i) within limits, and says that it was one',
    async (status) => {
      let asked = 0;
      handle = (_request, response) => {
        asked += 1;
        response.writeHead(status, { location: `${origin()}/elsewhere?${LEAK}` });
        response.end('x'.repeat(100_000));
      };
      const error = await fault(limitedFetch(5_000, send)(origin()));
      expect(asked).toBe(1);
      expect(connectionFault(error, 'the API', 'asking')).toMatchObject({
        name: 'Misconfigured',
        safeMessage: 'the API redirects: base_url must be the address of the API itself.',
      });
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(LEAK);
    },
  );

  const HANGS: readonly (readonly [string, (response: ServerResponse) => void])[] = [
    ['that never comes', () => undefined],
    ['whose body never comes', (response) => response.writeHead(200).flushHeaders()],
    ['whose body does not end', (response) => void response.writeHead(200).write('{"a":')],
  ];
  it.each(HANGS)('gives up an answer %s, at the limit', async (_, hang) => {
    handle = (_request, response) => hang(response);
    const attempt = async () => (await limitedFetch(300, send)(origin())).text();
    const error = await fault(attempt());
    expect(connectionFault(error, 'the API', 'asking')).toMatchObject({
      name: 'TransientFailure',
      safeMessage: 'the API did not answer in time while asking.',
    });
  });

  it('ends with the reason of a signal that has been given before, without asking', async () => {
    let asked = 0;
    handle = () => {
      asked += 1;
    };
    const reason = new DOMException('enough', 'AbortError');
    expect(await fault(send(origin(), { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(asked).toBe(0);
  });

  const BREAKS: readonly (readonly [string, (response: ServerResponse) => void])[] = [
    ['before an answer', (response) => void response.destroy()],
    ['after its head', (response) => void (response.writeHead(200).flushHeaders(), response.destroy())],
    [
      'in the middle',
      (response) => {
        response.writeHead(200, { 'content-length': 100 }).write(LEAK, () => response.destroy());
      },
    ],
  ];
  it.each(BREAKS)('says that a connection ended %s', async (_, end) => {
    handle = (_request, response) => end(response);
    const attempt = async () => (await send(origin())).text();
    const error = connectionFault(await fault(attempt()), 'the API', 'asking');
    expect(error.name).toBe('TransientFailure');
    expect(error.safeMessage).toMatch(/^The connection to the API was lost while asking \([\w ]+\)\.$/);
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(LEAK);
  });

  it('takes a change to another protocol for no answer, and keeps no connection', async () => {
    const raw = createRawServer((socket) => {
      socket.on('error', () => undefined);
      const head = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
      socket.once('data', () => socket.write(head));
    });
    await listen(raw as never);
    const error = await fault(limitedFetch(2_000, send)(`http://127.0.0.1:${portOf(raw)}/`));
    expect(connectionFault(error, 'the API', 'asking')).toMatchObject({
      name: 'TransientFailure',
      safeMessage: expect.stringMatching(/^The connection to the API was lost while asking \([\w ]+\)\.$/),
    });
    await new Promise((resolve) => raw.close(resolve)); // Which waits for every connection.
  });

  it('takes an answer that is too large for none, and ends its connection', async () => {
    const closed = new Promise((resolve) => {
      handle = (_request, response) => {
        response.on('close', resolve).on('error', () => undefined);
        response.writeHead(200).write(Buffer.alloc(MOST_BYTES + 1, ' '));
      };
    });
    const error = await fault(limitedFetch(5_000, send)(origin()));
    expect(connectionFault(error, 'the API', 'asking')).toMatchObject(TOO_LARGE);
    await closed;
  });

  it('takes an answer that is just not too large', async () => {
    handle = (_request, response) => response.end(Buffer.alloc(MOST_BYTES, 'x'));
    const answer = await limitedFetch(10_000, send)(origin());
    expect((await answer.arrayBuffer()).byteLength).toBe(MOST_BYTES);
  });

  it('says that nobody listens', async () => {
    const { protocol } = new URL(origin());
    const error = await fault(send(`${protocol}//127.0.0.1:${await freePort()}/`));
    expect(connectionFault(error, 'the API', 'asking')).toMatchObject({
      name: 'TargetUnreachable',
      safeMessage: 'the API cannot be reached (ECONNREFUSED).',
    });
  });

  it('says that a name is unknown', async () => {
    const error = await fault(send('https://no-such-host.invalid/'));
    expect(connectionFault(error, 'the API', 'asking')).toMatchObject({
      name: 'TargetUnreachable',
      safeMessage: expect.stringMatching(/^the API cannot be reached \((ENOTFOUND|EAI_AGAIN)\)\.$/),
    });
  });

  it('tells what is no HTTP, and the fault holds nothing of it', async () => {
    const raw = createRawServer((socket) => {
      socket.on('error', () => undefined);
      const head = `HTTP/1.1 200 OK\r\nx-token: ${LEAK}\r\n`;
      socket.once('data', () => socket.end(`${head}${LEAK}: ${LEAK} {\r\n without ${LEAK} colon\r\n\r\n${LEAK}`));
    });
    await listen(raw as never);
    const headers = { authorization: LEAK };
    const error = connectionFault(
      await fault(send(`http://127.0.0.1:${portOf(raw)}/`, { headers })),
      'the API',
      'asking',
    );
    expect(error.safeMessage).toMatch(/^The connection to the API was lost while asking \([\w ]+\)\.$/);
    expect(inspect(error, { depth: 20, showHidden: true, maxStringLength: null })).not.toContain(LEAK);
    expect(heldBytes(error)).not.toContain(LEAK);
    await new Promise((resolve) => raw.close(resolve));
  });

  it('takes any text there and back', async () => {
    handle = ({ text }, response) => response.end(text);
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 200 }), async (body) => {
        const answer = await send(origin(), { method: 'PUT', body });
        expect(await answer.text()).toBe(body);
      }),
      { numRuns: 50 },
    );
  });
});

it('an answer that only its decompression makes too large is none for limitedFetch', async () => {
  handle = (_request, response) => {
    response.on('error', () => undefined);
    response.writeHead(200, { 'content-encoding': 'gzip' }).write(gzipSync(Buffer.alloc(MOST_BYTES + 1, ' ')));
  };
  const error = await fault(limitedFetch(5_000)(`http://127.0.0.1:${portOf(plain)}`));
  expect(connectionFault(error, 'the API', 'asking')).toMatchObject(TOO_LARGE);
});

describe('trustingFetch', () => {
  const authority = file('authority.crt');
  const url = (host: string) => `https://${host}:${portOf(secure)}/`;

  it('trusts for itself alone', async () => {
    handle = (_request, response) => response.end('yes');
    expect(await (await trustingFetch(authority)(url('127.0.0.1'))).text()).toBe('yes');
    for (const other of [fetch, trustingFetch(rootCertificates[0] ?? '')]) {
      const error = connectionFault(await fault(other(url('127.0.0.1'))), '127.0.0.1', 'asking');
      expect(error.name).toBe('TargetUnreachable');
      expect(error.safeMessage).toMatch(
        /^The certificate of 127\.0\.0\.1 is not trusted \([A-Z_]+\): declare its authority as certificate_authority in provider, beside base_url\.$/,
      );
    }
  });

  it('refuses another name, whatever the environment says', async () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const error = await fault(trustingFetch(authority)(url('localhost')));
      expect(connectionFault(error, 'localhost', 'asking').safeMessage).toBe(
        'The certificate of localhost is not for this name (ERR_TLS_CERT_ALTNAME_INVALID): base_url in provider must have one that it is for.',
      );
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  it('has a connection for each request, and leaves none open', async () => {
    const ports = new Set<number | undefined>();
    handle = ({ socket, headers }, response) => {
      ports.add(socket.remotePort);
      expect(headers.connection).toBe('close');
      response.end();
    };
    for (let time = 0; time < 3; time += 1) await trusting(url('127.0.0.1'));
    expect(ports.size).toBe(3);
  });

  it('asks for no compression, and takes an answer that is too large for none', async () => {
    handle = ({ headers }, response) => {
      expect(headers['accept-encoding']).toBe('identity');
      response.on('error', () => undefined);
      response.end(Buffer.alloc(9 * 1024 * 1024, 'x'));
    };
    const error = await fault(trusting(url('127.0.0.1')));
    expect(connectionFault(error, 'the API', 'asking').name).toBe('TransientFailure');
  });

  it('keeps nothing of what is no HTTP', async () => {
    const raw = createRawServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\nx-token: ${LEAK}\r\n${LEAK} without colon\r\n\r\n`));
    });
    await listen(raw as never);
    const error = await fault(trusting(`http://127.0.0.1:${portOf(raw)}/`, { headers: { authorization: LEAK } }));
    expect(connectionFault(error, 'the API', 'asking').safeMessage).toMatch(/was lost while asking \(HPE_\w+\)/);
    expect(inspect(error, { depth: 20, showHidden: true, maxStringLength: null })).not.toContain(LEAK);
    expect(heldBytes(error)).not.toContain(LEAK);
    await new Promise((resolve) => raw.close(resolve));
  });
});

/** Everything that bytes in an error, at any depth, say as text. */
function heldBytes(error: unknown, depth = 0): string {
  if (Buffer.isBuffer(error)) return error.toString('latin1');
  if (typeof error !== 'object' || error === null || depth > 5) return '';
  return Object.getOwnPropertyNames(error)
    .map((name) => heldBytes((error as Record<string, unknown>)[name], depth + 1))
    .join('');
}
