import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HttpRequestDeclaration } from '../../shared/config/declaration.ts';
import { Misconfigured, RekeyError } from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { render } from '../../shared/rotators/http/render.ts';
import { send } from '../../shared/rotators/http/transport.ts';
import { adminWords, wordsFrom } from '../../shared/rotators/http/words.ts';
import * as fc from '../harness/properties.ts';
import { KeyServer } from '../providers/key-server.ts';
import { HttpWorld } from './http-world.ts';

let server: KeyServer;
beforeAll(async () => {
  server = await KeyServer.start();
  server.interfere = () => ({ status: 200, body: '{}' });
});
afterAll(() => server?.stop());
beforeEach(() => {
  server.received.length = 0;
});

/** What would change a path, a header, a JSON text or a template, if anything could; and everything else. */
const PIECES = [
  '"',
  "'",
  '\\',
  '{',
  '}',
  '{{',
  '}}',
  '{{admin}}',
  '{{value}}',
  '{{id}}',
  '$&',
  '$1',
  '$`',
  ',',
  ':',
  '[',
  ']',
  '\r\n',
  '\n',
  '\r',
  '\0',
  '\t',
  ' ',
  '/',
  '\\',
  '..',
  '.',
  '%2e',
  '%2F',
  '%',
  '?',
  '#',
  '&',
  '=',
  '+',
  ';',
  '@',
  'x-injected: yes',
  '\r\n\r\nGET / HTTP/1.1\r\n',
  'é',
  '\u{1f600}',
  '\u2028',
  '\ud800',
  'a',
  'Z',
  '0',
  '-',
  '_',
];
const hostile = fc.oneof(
  fc.string({ unit: fc.constantFrom(...PIECES), minLength: 1, maxLength: 12 }),
  fc.string({ minLength: 1 }),
  fc.constantFrom(...PIECES),
  fc
    .tuple(fc.constantFrom(...PIECES), fc.constantFrom('x', '"', '{{admin}}'))
    .map(([piece, filler]) => `${filler.repeat(Math.ceil(65_536 / filler.length))}${piece}`),
);
/** That may stand in a header: one line of ASCII. */
const inLine = fc.string({ unit: fc.constantFrom(...PIECES.filter((piece) => /^[!-~]+$/.test(piece))), minLength: 1 });

const request = (more: Partial<HttpRequestDeclaration>): HttpRequestDeclaration => ({
  method: 'POST',
  path: '/fixed',
  expect: [200],
  ...more,
});
const filled = (declared: Partial<HttpRequestDeclaration>, id: string, value = 'a-value') =>
  render('revoke', request(declared), wordsFrom({ id, value }));
const refusal = (run: () => unknown): unknown => {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
};

describe('what is inserted into a path', () => {
  it('stays in its segment or its query value, or is refused', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, async (id) => {
        const error = refusal(() => filled({ path: '/keys/{{id}}/x?of={{id}}' }, id));
        if (error !== undefined) {
          expect(error).toBeInstanceOf(Misconfigured);
          const isDots = id.split(/[/\\]/).some((step) => /^(?:\.|%2e){1,2}$/i.test(step));
          expect(isDots || !id.isWellFormed()).toBe(true);
          return;
        }
        const { path } = filled({ path: '/keys/{{id}}/x?of={{id}}' }, id);
        expect(path).toMatch(/^\/keys\/[!-~]+\/x\?of=[!-~]+$/);
        // As a browser, a server framework and this server read it.
        const url = new URL(path, 'http://host.example');
        const [, keys, segment = '', last, ...more] = url.pathname.split('/');
        expect([keys, last, more]).toEqual(['keys', 'x', []]);
        expect(decodeURIComponent(segment)).toBe(id);
        expect([...url.searchParams]).toEqual([['of', id]]);
        if (path.length < 16_000)
          await send(
            { baseUrl: server.url, certificateAuthority: undefined },
            filled({ path: '/keys/{{id}}/x?of={{id}}' }, id),
          );
      }),
      { numRuns: 300 },
    );
    for (const { path } of server.received) expect(path).toMatch(/^\/keys\/[^/?]+\/x\?of=[^?&=]+$/);
    expect(server.received.length).toBeGreaterThan(100);
  });

  it.each([
    ['..', '/keys/{{id}}'],
    ['.', '/keys/{{id}}'],
    ['.', '/keys/.{{id}}'],
    ['.', '/keys/%2e{{id}}'],
    ['a/../../users/1', '/keys/{{id}}'],
    ['..\\x', '/keys/{{id}}'],
    ['x?/../y', '/keys/{{id}}'],
    ['%2e%2e/users', '/keys/{{id}}'],
    ['', '/keys/{{id}}'],
  ])('is refused as %j in %s: it would be another path', (id, path) => {
    expect(refusal(() => filled({ path }, id))).toBeInstanceOf(Misconfigured);
  });

  it('may have dots that are no steps', () => {
    expect(filled({ path: '/keys/{{id}}.json?x=..' }, '..a..').path).toBe('/keys/..a...json?x=..');
  });
});

describe('what is inserted into a header', () => {
  it('is one line of it, or is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(hostile, inLine), async (value) => {
        const declared = { headers: { authorization: 'Bearer {{value}}', 'x-other': 'fixed' } };
        const error = refusal(() => filled(declared, 'id', value));
        if (error !== undefined) {
          expect(error).toBeInstanceOf(Misconfigured);
          expect(value).toMatch(/[^\t\x20-\x7e]|^\s|\s$/);
          return;
        }
        server.received.length = 0;
        const rendered = filled(declared, 'id', value);
        expect(rendered.headers).toEqual({ authorization: `Bearer ${value}`, 'x-other': 'fixed' });
        await send({ baseUrl: server.url, certificateAuthority: undefined }, rendered);
        const [received] = server.received;
        expect(received?.headers['authorization']).toBe(`Bearer ${value}`);
        expect(received?.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())).toEqual([
          'accept',
          'user-agent',
          'authorization',
          'x-other',
          'accept-encoding',
          'host',
          'connection',
          'content-length',
        ]);
      }),
      { numRuns: 300 },
    );
  });

  it.each(['a\r\nx-injected: yes', 'a\n', 'a\0b', ' a', 'a ', '\t', 'é', ''])('is refused as %j', (value) => {
    const error = refusal(() => filled({ headers: { authorization: '{{value}}' } }, 'id', value));
    expect(error).toBeInstanceOf(Misconfigured);
  });
});

describe('what is inserted into a body', () => {
  const body = {
    'a {{id}}': ['{{id}}', { deep: 'x{{ value }}y', n: 1, t: true, none: null }],
    __proto__x: '{{value}}{{id}}',
  };

  it('is text within its string, and changes nothing around it', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (id, value) => {
        const rendered = filled({ body }, id, value);
        const expected = {
          'a {{id}}': [id, { deep: `x${value}y`, n: 1, t: true, none: null }],
          __proto__x: `${value}${id}`,
        };
        expect(JSON.parse(rendered.body ?? '')).toEqual(expected);
        server.received.length = 0;
        await send({ baseUrl: server.url, certificateAuthority: undefined }, rendered);
        expect(JSON.parse(server.received[0]?.body ?? '')).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it('keeps keys that objects treat in their own way', () => {
    const odd = JSON.parse('{"__proto__":{"x":"{{id}}"},"constructor":"{{id}}"}') as object;
    expect(filled({ body: odd }, 'i').body).toBe('{"__proto__":{"x":"i"},"constructor":"i"}');
  });
});

describe('a template', () => {
  it('that comes out of a value, an id or the administrator stays text: nothing is expanded twice', () => {
    fc.assert(
      fc.property(hostile, hostile, (token, id) => {
        const text = `{{admin}}{{admin.token}}{{value}}${id}`;
        const admin = adminWords(new SecretText(JSON.stringify({ token: `${token}{{id}}` })), 'any');
        const words = (word: string) => admin(word) ?? wordsFrom({ id: text, value: 'never' })(word);
        const { body } = render('revoke', request({ body: ['{{admin.token}}|{{id}}'] }), words);
        expect(JSON.parse(body ?? '')).toEqual([`${token}{{id}}|${text}`]);
      }),
    );
  });

  it.each(['toString', '__proto__', 'constructor', 'admin.toString', 'admin.__proto__', 'admin'])(
    'named %s finds nothing that nobody wrote',
    (word) => {
      const admin = adminWords(new SecretText('{"token":"x"}'), 'any');
      const words = (name: string) => admin(name) ?? wordsFrom({ id: 'i' })(name);
      expect(refusal(() => render('create', request({ body: `{{${word}}}` }), words))).toBeInstanceOf(Misconfigured);
    },
  );
});

describe('a whole rotation', () => {
  let world: HttpWorld;
  beforeAll(async () => {
    world = await HttpWorld.start();
  });
  afterAll(() => world?.server.stop());

  it('ends only what it should, whatever the API calls its credentials and their values', async () => {
    let done = 0;
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (id, value) => {
        const secret = world.secret();
        world.server.make('bystander', 'of somebody else');
        const before = world.server.keys('bystander');
        world.server.makeId = () => id;
        const made: string[] = [];
        world.server.makeValue = () => made[made.push(`${value}${crypto.randomUUID()}`) - 1] ?? '';
        try {
          const run = async () => {
            const brought = await secret.rotations.bringIn();
            await secret.rotations.test(brought);
            await secret.rotations.retire(secret.rotations.promote(brought));
            return brought;
          };
          const error = await run().then(
            () => undefined,
            (reason: unknown) => reason,
          );
          if (error !== undefined) {
            expect(error).toBeInstanceOf(RekeyError);
            for (const text of made) expect((error as RekeyError).safeMessage).not.toContain(text);
            expect(world.server.opens(secret.key.value)).toBe(true);
          } else {
            done += 1;
            expect(world.server.keys(secret.account)).toMatchObject([{ id }]);
          }
          expect(world.server.keys('bystander')).toEqual(before);
        } finally {
          world.server.makeId = () => `id_${crypto.randomUUID()}`;
          world.server.makeValue = () => `key_${crypto.randomUUID()}`;
        }
      }),
      { numRuns: 200 },
    );
    expect(done).toBeGreaterThan(20);
  });
});
