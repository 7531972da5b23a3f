import { describe, expect, it } from 'vitest';

import { render } from '../../../../shared/rotators/http/render.ts';
import { cpuMilliseconds, parseSecret, problems, secret } from './one-secret.ts';

/** From line 6 on; what differs replaces the line that begins alike, and what is new comes at the end of its request. */
const HTTP = [
  'http:',
  '  base_url: https://api.example.com/v1',
  '  create:',
  '    path: /keys',
  '    capture: { value: /secret }',
  '  test:',
  '    path: /me',
  '    headers: { Authorization: "Bearer {{value}}" }',
  '  revoke:',
  '    path: /keys',
  '    body: { key: "{{value}}" }',
];

function lines(...changes: readonly (readonly [line: number, text: string])[]): readonly string[] {
  const changed = HTTP.map((line, index) => changes.find(([at]) => at === index)?.[1] ?? line);
  return ['type: http', 'admin_secret: root', ...changed];
}

const LIST = '  list: { path: "/keys?of={{name}}", items: "", id: /id, name: /name }';

describe('http', () => {
  it('is declared with defaults for what is not written', () => {
    expect(secret(lines()).http).toEqual({
      baseUrl: 'https://api.example.com/v1',
      create: { method: 'POST', path: '/keys', expect: [200, 201], capture: { value: '/secret' } },
      test: { method: 'GET', path: '/me', headers: { Authorization: 'Bearer {{value}}' }, expect: [200] },
      revoke: { method: 'DELETE', path: '/keys', body: { key: '{{value}}' }, expect: [200, 202, 204] },
    });
    const create: readonly [number, string] = [3, '    path: "/keys/{{name}}"'];
    expect(secret([...lines(create), LIST]).http?.list).toEqual({
      method: 'GET',
      path: '/keys?of={{name}}',
      expect: [200],
      items: '',
      id: '/id',
      name: '/name',
    });
  });

  it('is declared with everything that is written', () => {
    const written = secret([
      'type: http',
      'admin_secret: root',
      'http:',
      '  base_url: http://localhost:8080',
      '  create:',
      '    method: PUT',
      '    path: "/keys/{{name}}"',
      '    headers: { X-Api-Key: "{{admin.key}}", accept: application/json }',
      '    body: { ttl: 60, scopes: [a, true, 1.5], nested: { name: "{{name}}" }, none: null }',
      '    expect: [200]',
      '    capture: { value: /secret, id: /id, refresh_token: /refresh }',
      '  test: { method: POST, path: /me, headers: { Authorization: "Token token={{value}}" }, body: [1], expect: [204] }',
      '  revoke: { method: PATCH, path: "/keys/{{id}}", body: plain, expect: [404] }',
      '  list: { method: POST, path: /keys, headers: { a: b }, body: 1, expect: [206], items: /d, id: /i, name: /n }',
    ]).http;
    expect(written).toEqual({
      baseUrl: 'http://localhost:8080',
      create: {
        method: 'PUT',
        path: '/keys/{{name}}',
        headers: { 'X-Api-Key': '{{admin.key}}', accept: 'application/json' },
        body: { ttl: 60, scopes: ['a', true, 1.5], nested: { name: '{{name}}' }, none: null },
        expect: [200],
        capture: { value: '/secret', id: '/id', refresh_token: '/refresh' },
      },
      test: {
        method: 'POST',
        path: '/me',
        headers: { Authorization: 'Token token={{value}}' },
        body: [1],
        expect: [204],
      },
      revoke: { method: 'PATCH', path: '/keys/{{id}}', body: 'plain', expect: [404] },
      list: {
        method: 'POST',
        path: '/keys',
        headers: { a: 'b' },
        body: 1,
        expect: [206],
        items: '/d',
        id: '/i',
        name: '/n',
      },
    });
    expect(JSON.parse(JSON.stringify(written))).toEqual(written);
  });

  const BASE_URL =
    'base_url is a URL that begins with https:// (http:// only on a loopback address), without user, password, query and fragment';
  const METHOD = 'method is one of GET, POST, PUT, PATCH, DELETE';
  const EXPECT = 'expect is a list of 1 to 100 statuses such as [200, 201]';
  const STATUS = 'a status is a whole number from 100 to 599';
  const CAPTURE = 'capture is a mapping of names to JSON Pointers, such as { value: /data/secret, id: /data/id }';
  const POINTER = 'is a JSON Pointer such as /data/id';
  const NO_BODY = 'body is what is sent as JSON; leave it out for none';
  it.each<readonly [number, string, string]>([
    [1, '  base_url: http://example.com', `7:17: found another text; ${BASE_URL}`],
    [1, '  baseurl: https://example.com', `7:7: base_url is missing; ${BASE_URL}`],
    [
      1,
      '  baseurl: https://example.com',
      '7:7: found the unknown key "baseurl"; http has base_url, certificate_authority, create, test, revoke, list; did you mean "base_url"?',
    ],
    [3, '    paths: /keys', '9:9: path is missing; path is a text that begins with /'],
    [
      3,
      '    paths: /keys',
      '9:9: found the unknown key "paths"; create has method, path, headers, body, expect, capture; did you mean "path"?',
    ],
    [3, '    path: 1', '9:15: found a number without quotes; path is a text that begins with /'],
    [4, '    capture: /secret', `10:18: found "/secret"; ${CAPTURE}`],
    [4, '    capture: [/secret]', `10:18: found a list; ${CAPTURE}`],
    [4, '    method: POST', `9:9: capture is missing; ${CAPTURE}`],
    [4, '    capture: { value: [a] }', `10:27: found a list; what is captured ${POINTER}`],
    [4, '    capture: { value: 1 }', `10:27: found a number without quotes; what is captured ${POINTER}`],
    [6, '    path: { a: b }', '12:15: found a mapping; path is a text that begins with /'],
    [7, '    headers: a', '13:18: found "a"; headers is a mapping of names to texts'],
    [7, '    headers: { a: { b: c } }', '13:23: found a mapping; a header is a text'],
    [7, '    headers: { a: 1 }', '13:23: found a number without quotes; a header is a text'],
    [
      7,
      '    header: {}',
      '13:9: found the unknown key "header"; test has method, path, headers, body, expect; did you mean "headers"?',
    ],
    [7, '    method: get', `13:17: found "get"; ${METHOD}`],
    [7, '    method: HEAD', `13:17: found "HEAD"; ${METHOD}`],
    [7, '    expect: 200', `13:17: found a number; ${EXPECT}`],
    [7, '    expect: []', `13:17: found a list; ${EXPECT}`],
    [7, `    expect: [${'200,'.repeat(101)}]`, `13:17: found a list; ${EXPECT}`],
    [7, '    expect: [200, 99]', `13:23: found a number; ${STATUS}`],
    [7, '    expect: [600]', `13:18: found a number; ${STATUS}`],
    [7, '    expect: ["200"]', `13:18: found "200"; ${STATUS}`],
    [10, '    body:', `16:14: found nothing; ${NO_BODY}`],
    [10, '    body: { a: [.inf] }', '16:15: found a mapping; body is sent as JSON, which has no infinite numbers'],
    [10, '    body: .nan', '16:15: found a number; body is sent as JSON, which has no infinite numbers'],
  ])('refuses line %i as %s', (at, line, expected) => {
    expect(problems(lines([at, line]))).toContain(expected);
  });

  it.each([
    ['http: yes', '6:11: found "yes"; http is a mapping with base_url, create, test and revoke'],
    ['http: { create: a }', '6:21: found "a"; create is a mapping with path and capture'],
    ['http: { test: [] }', '6:19: found a list; test is a mapping with path'],
    ['http: { revoke: 1 }', '6:21: found a number; revoke is a mapping with path'],
    ['http: { list: a }', '6:19: found "a"; list is a mapping with path, items, id and name'],
    ['http: {}', `6:11: base_url is missing; ${BASE_URL}`],
    ['http: {}', '6:11: create is missing; create is a mapping with path and capture'],
    ['http: {}', '6:11: test is missing; test is a mapping with path'],
    ['http: {}', '6:11: revoke is missing; revoke is a mapping with path'],
    ['http: { list: {} }', '6:19: path is missing; path is a text that begins with /'],
    ['http: { list: {} }', `6:19: items is missing; items ${POINTER}: where the answer has the list`],
    ['http: { list: {} }', `6:19: id is missing; id ${POINTER}: where an item has its id`],
    ['http: { list: { name: 1 } }', `6:27: found a number without quotes; name ${POINTER}: where an item has its name`],
    [
      'http: { list: { item: a } }',
      '6:21: found the unknown key "item"; list has method, path, headers, body, expect, items, id, name; did you mean "items"?',
    ],
    [
      'http: { revoke: { paths: a } }',
      '6:23: found the unknown key "paths"; revoke has method, path, headers, body, expect; did you mean "path"?',
    ],
  ])('refuses %s', (line, expected) => {
    expect(problems(['type: http', 'admin_secret: root', line])).toContain(expected);
  });
});

describe('requests that cannot do their work', () => {
  it.each<readonly [number, string, readonly string[]]>([
    [3, '    path: keys', ['9:15: http.create.path must begin with / and be percent-encoded, without fragment']],
    [3, '    path: /a/../b', ['9:15: http.create.path must not have a segment . or ..']],
    [3, '    path: "/{{admn}}"', ['9:9: http.create has {{admn}}; it can have {{name}}, {{admin}} and {{admin.KEY}}']],
    [
      4,
      '    capture: { id: /id }',
      [
        '10:18: http.create.capture.value is missing: where the answer has the value',
        '12:9: http.test has {{value}}, which create.capture does not name',
        '15:9: http.revoke has {{value}}, which create.capture does not name',
      ],
    ],
    [4, '    capture: { value: secret }', ['10:27: http.create.capture.value is not a JSON Pointer such as /data/id']],
    [
      4,
      '    capture: { value: /a, "a b": /b }',
      ['10:18: http.create.capture.… is not a name of letters, digits, - and _'],
    ],
    [
      4,
      '    capture: { value: /a, "__proto__": /b }',
      ['10:44: http.create.capture.__proto__ is not a name of letters, digits, - and _'],
    ],
    [7, '    headers: {}', ['12:9: http.test must authenticate with {{value}}: else it proves nothing']],
    [
      7,
      '    headers: { Authorization: "Bearer {{value}}", Host: a }',
      ['13:61: http.test.headers.Host is not yours to set'],
    ],
    [
      7,
      '    headers: { Authorization: "Bearer {{value" }',
      [
        '12:9: http.test must authenticate with {{value}}: else it proves nothing',
        '13:35: found what looks like a plaintext secret',
      ],
    ],
    [7, '    headers: { x: "{{value}} {{value" }', ['13:23: http.test.headers.x has a {{ that no }} closes']],
    [
      10,
      '    body: { key: other }',
      ['15:9: http.revoke must say which credential: by {{id}}, {{name}}, {{value}} or another capture'],
    ],
    [
      7,
      '    headers: { x: "{{value}}" }\n        expect: [500]',
      ['14:17: http.test.expect must list statuses from 200 to 499, without 429'],
    ],
    [
      7,
      '    headers: { x: "{{value}}" }\n        expect: [200, 401]',
      ['14:17: http.test.expect must not list 401 or 403, which say that a credential is refused'],
    ],
  ])('are problems at their place: line %i as %s', (at, line, expected) => {
    const found = problems(lines([at, line]));
    for (const [index, text] of expected.entries()) expect(found[index]).toContain(text);
  });

  it('are found in list too, and without a name in create', () => {
    expect(problems([...lines(), LIST.replace('items: ""', 'items: data')])).toEqual([
      '9:9: http.create must give the credential the name {{name}}: else list finds none again',
      '17:49: http.list.items is not a JSON Pointer such as /data',
    ]);
  });

  it('are not repeated where they hold what may be a value', () => {
    const found = problems(lines([7, '    headers: { x: "hunter2\\u0001" }'])).join('\n');
    expect(found).toContain('13:23: http.test.headers.x has a line break or another character outside ASCII');
    expect(found).not.toContain('hunter2');
  });

  it.each([
    ['create', [3, '    path: "/keys/{{admin}}"']],
    ['revoke', [9, '    path: "/keys?as={{admin.user}}"']],
  ] as const)('need admin_secret where %s has {{admin}}', (_, change) => {
    const found = 'found {{admin}} in http without admin_secret; {{admin}} is what that secret holds';
    expect(problems(['type: http', ...lines(change).slice(2)])).toEqual([`6:7: ${found}`]);
    expect(problems(lines(change))).toEqual([]);
  });

  it('need admin_secret where list has {{admin}}, and nowhere without it', () => {
    const create: readonly [number, string] = [3, '    path: "/keys/{{name}}"'];
    const found = 'found {{admin}} in http without admin_secret; {{admin}} is what that secret holds';
    const list = LIST.replace('{{name}}', '{{admin}}');
    expect(problems(['type: http', ...lines(create).slice(2), list])).toEqual([`6:7: ${found}`]);
    expect(problems(['type: http', ...lines(create).slice(2), LIST])).toEqual([]);
  });
});

describe('numbers in bodies', () => {
  const CHANGED = 'found a number that JSON would not repeat as it is written; write it in quotes, or as JSON has it';

  it.each([
    ['12345678901234567890', '16:25'],
    ['-9007199254740993', '16:25'],
    ['0.1234567890123456789', '16:25'],
    ['007', '16:25'],
    ['1.0', '16:25'],
    ['1e400', '16:15'],
    ['[1, { id: 9007199254740993 }]', '16:35'],
  ])('are a problem where their digits would change: %s', (number, place) => {
    const found = problems(lines([10, `    body: { number: ${number}, key: "{{value}}" }`]));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(number === '1e400' ? 'no infinite numbers' : CHANGED);
    expect(found[0]?.startsWith(`${place}: `)).toBe(true);
  });

  it.each([3, 6, 10] as const)('are looked at in each request: line %i', (line) => {
    const kept = HTTP[line] ?? '';
    const body = `    body: { key: "{{${line === 3 ? 'name' : 'value'}}}", number: 12345678901234567890 }`;
    const found = problems(lines([line, line === 10 ? body : `${kept}\n    ${body}`]));
    expect(found.filter((problem) => problem.endsWith(CHANGED))).toHaveLength(1);
  });

  it('are looked at in the list', () => {
    const create: readonly [number, string] = [3, '    path: "/keys/{{name}}"'];
    const list = LIST.replace('items:', 'body: [12345678901234567890], items:');
    expect(problems([...lines(create), list])).toEqual([`17:49: ${CHANGED}`]);
  });

  it.each(['9007199254740991', '-1', '0', '1.5', '-0.25', '1e+21', '"12345678901234567890"', '"007"'])(
    'are sent as they are written: %s',
    (number) => {
      const { revoke } = secret(lines([10, `    body: { number: ${number}, key: "{{value}}" }`])).http ?? {};
      if (revoke === undefined) throw new Error('it is declared');
      expect(render('revoke', revoke, () => 'x').body).toBe(`{"number":${number},"key":"x"}`);
    },
  );
});

describe('plaintext in http', () => {
  const PLAINTEXT = 'found what looks like a plaintext secret';
  const VALUE = ['gh', 'p_abcdef0123456789'].join('');

  it.each([
    'Authorization: "{{value}}"',
    'Authorization: "Bearer {{value}}"',
    'authorization: "Token token=\\"{{value}}\\""',
    'PRIVATE-TOKEN: "{{value}}"',
    'X-Api-Key: " {{ value }} "',
    'X-Auth-Token: "{{value}}:{{id}}"',
  ])('is none in a text made of templates: %s', (header) => {
    expect(problems(lines([4, '    capture: { value: /a, id: /b }'], [7, `    headers: { ${header} }`]))).toEqual([]);
  });

  it.each([
    'Authorization: "Bearer hunter2hunter2"',
    'Authorization: "Bearer hunter2 {{value}}"',
    'Authorization: "{{value}} hunterhunterhunterhunter"',
    'Authorization: "a b c {{value}}"',
    'Authorization: "{ {value} }"',
    'X-Api-Key: 12345678',
    `x: "${VALUE} {{value}}"`,
  ])('is a literal under a telling name, or a known form anywhere: %s', (header) => {
    const found = problems(lines([7, `    headers: { ${header} }`]));
    expect(found.filter((problem) => problem.includes(PLAINTEXT))).toHaveLength(1);
    expect(found.join('\n')).not.toMatch(/hunter|abcdef0123|12345678/);
  });

  it('is found in bodies and paths', () => {
    expect(problems(lines([10, '    body: { password: hunter2 }'])).join('\n')).toContain(`16:27: ${PLAINTEXT}`);
    expect(problems(lines([3, `    path: /${VALUE}`])).join('\n')).toContain(`9:15: ${PLAINTEXT}`);
  });

  it('is none where capture says by a pointer where a token is, but is where it says anything else', () => {
    expect(problems(lines([4, '    capture: { value: /a, refresh_token: /data/token }']))).toEqual([]);
    expect(problems(lines([4, '    capture: { value: /a, refresh_token: hunter2 }'])).join('\n')).toContain(
      `10:46: ${PLAINTEXT}`,
    );
    expect(problems(lines([10, '    body: { key: "{{value}}", password: /hunter2 }'])).join('\n')).toContain(PLAINTEXT);
    expect(problems(lines([4, '    capture: { value: /a, token: { a: /b } }'])).join('\n')).toContain(
      'found a mapping',
    );
  });
});

describe('hostile requests', () => {
  const many = (count: number, piece: (index: number) => string) =>
    Array.from({ length: count }, (_, i) => piece(i)).join('');

  it.each([
    ['templates', lines([3, `    path: "/${many(150_000, (i) => `{{a${i}}}`)}"`])],
    ['open templates', lines([3, `    path: "/${'{{'.repeat(600_000)}"`])],
    ['headers', lines([7, `    headers: {${many(20_000, (i) => `"h ${i}": a,`)}}`])],
    ['captures', lines([4, `    capture: {${many(20_000, (i) => `"c ${i}": a,`)}}`])],
    ['statuses', lines([7, `    expect: [${'1,'.repeat(50_000)}]`])],
    ['dots', lines([3, `    path: "${'/..'.repeat(400_000)}"`])],
    ['a deep body', lines([10, `    body: ${'['.repeat(30)}${']'.repeat(30)}`])],
    ['blanks', lines([7, `    headers: { Authorization: "${' '.repeat(1_000_000)}x" }`])],
    ['words', lines([7, `    headers: { Authorization: "{{a}}${'a '.repeat(500_000)}" }`])],
  ])('are refused in bounded time: %s', (_, text) => {
    let found: readonly string[] = [];
    const cost = cpuMilliseconds(() => {
      found = problems(text);
    });
    expect(cost).toBeLessThan(6000);
    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThan(60_000);
  });

  it('pollute no prototype', () => {
    parseSecret(lines([7, '    headers: { __proto__: { x: 1 } }'], [10, '    body: { __proto__: { x: 1 } }']));
    expect(({} as { x?: unknown }).x).toBeUndefined();
    expect(problems(lines([7, '    headers: { __proto__: { x: 1 } }']))).toEqual([
      '13:31: found a mapping; a header is a text',
    ]);
  });
});
