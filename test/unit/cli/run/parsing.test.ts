import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deliver, isSame } from '../../../../cli/run/delivery.ts';
import { checkHealth, parseHealthCheck } from '../../../../cli/run/health-check.ts';
import { parseReloadAction } from '../../../../cli/run/reload-action.ts';
import { takeSeconds } from '../../../../cli/run/run-options.ts';
import { parseSecretSpecs } from '../../../../cli/run/secret-spec.ts';
import { SecretValue } from '../../../../client/secret-value.ts';

const USAGE = expect.objectContaining({ name: 'CommandFailure', exitCode: 2 });

describe('--secret', () => {
  it.each([
    ['pg_prod_main', 'environment', { secret: 'pg_prod_main', key: undefined, target: 'PG_PROD_MAIN' }],
    ['app/db-1.main', 'environment', { secret: 'app/db-1.main', key: undefined, target: 'APP_DB_1_MAIN' }],
    ['pg#password=PGPASSWORD', 'environment', { secret: 'pg', key: 'password', target: 'PGPASSWORD' }],
    ['pg#pass word', 'environment', { secret: 'pg', key: 'pass word', target: 'PG_PASS_WORD' }],
    ['a=b=C', 'environment', { secret: 'a=b', key: undefined, target: 'C' }],
    ['pg#a=b=C', 'environment', { secret: 'pg', key: 'a=b', target: 'C' }],
    ['app/tls.key', 'files', { secret: 'app/tls.key', key: undefined, target: 'app__tls.key' }],
    ['pg#password', 'files', { secret: 'pg', key: 'password', target: 'pg.password' }],
    ['pg=server.key', 'files', { secret: 'pg', key: undefined, target: 'server.key' }],
  ] as const)('reads %s for %s', (text, medium, spec) => {
    expect(parseSecretSpecs([text], medium)).toEqual([spec]);
  });

  it.each([
    [[], 'environment'],
    [[''], 'environment'],
    [['a b'], 'environment'],
    [['pg#=X'], 'environment'],
    [['pg=A-B'], 'environment'],
    [['1password'], 'environment'],
    [['pg=../etc/passwd'], 'files'],
    [['pg=.rekey-run'], 'files'],
    [['pg=a/b'], 'files'],
    [['pg='], 'files'],
    [['pg', 'PG'], 'environment'],
    [['a/b', 'a__b'], 'files'],
  ] as const)('refuses %j for %s', (texts, medium) => {
    expect(() => parseSecretSpecs(texts, medium)).toThrow(USAGE);
  });
});

describe('what is delivered', () => {
  const specs = parseSecretSpecs(['a', 'j#n=N', 'j#o=O'], 'environment');
  const json = JSON.stringify({ n: 5, o: { x: [true] } });

  it('is the text, a member that is a text as it is, and any other as JSON', () => {
    const values = { a: secret('a', 'v1', ' text\n'), j: secret('j', 'v2', json) };
    const { texts, versions } = deliver(specs, values, 'environment');
    expect(Object.fromEntries(texts)).toEqual({ A: ' text\n', N: '5', O: '{"x":[true]}' });
    expect(versions).toEqual({ a: 'v1', j: 'v2' });
  });

  it.each(['null', '[]', '"text"', '{"n":null}', '{"__proto__":{"n":1}}'])('is not made of %s', (text) => {
    const values = { a: secret('a', 'v1', 'x'), j: secret('j', 'v2', text) };
    expect(() => deliver(specs, values, 'environment')).toThrow('The value of "j" has no member "n".');
  });

  it('is no zero byte in an environment variable, which Node would quote in its error', () => {
    const values = { a: secret('a', 'v1', 'sec\0ret'), j: secret('j', 'v2', json) };
    expect(() => deliver(specs, values, 'environment')).toThrow(
      'The value of "a" has a zero byte: deliver it with --files.',
    );
    expect(deliver(specs, values, 'files').texts.get('A')).toBe('sec\0ret');
  });

  it('is the same when every version is', () => {
    const of = (versions: Readonly<Record<string, string>>) => ({ texts: new Map(), versions });
    expect(isSame(of({ a: '1', b: '2' }), of({ b: '2', a: '1' }))).toBe(true);
    expect(isSame(of({ a: '1' }), of({ a: '2' }))).toBe(false);
    expect(isSame(of({ a: '1' }), of({ a: '1', b: '2' }))).toBe(false);
  });
});

describe('--on-reload', () => {
  it.each([
    ['restart', 'environment', { kind: 'restart' }],
    ['none', 'environment', { kind: 'none' }],
    ['exec:app reload', 'environment', { kind: 'exec', line: 'app reload' }],
    ['SIGUSR2', 'files', { kind: 'signal', signal: 'SIGUSR2' }],
  ] as const)('reads %s', (text, medium, action) => {
    expect(parseReloadAction(text, medium)).toEqual(action);
  });

  it.each(['', 'reload', 'exec:', 'exec: ', 'SIGKILL', 'SIGSTOP', 'SIGNONE', 'toString'])('refuses %j', (text) => {
    expect(() => parseReloadAction(text, 'files')).toThrow(USAGE);
  });

  it('refuses a signal for environment variables, which nobody can change in a running process', () => {
    expect(() => parseReloadAction('SIGHUP', 'environment')).toThrow(/--on-reload SIGHUP needs --files/);
  });

  it('leaves time for going back', () => {
    expect(takeSeconds({ action: { kind: 'restart' }, stopSeconds: 10, healthSeconds: 30 })).toBe(95);
    expect(takeSeconds({ action: { kind: 'exec', line: 'x' }, stopSeconds: 10, healthSeconds: 30 })).toBe(135);
  });
});

describe('--health', () => {
  const server = createServer((request, response) => {
    if (request.url === '/hangs') return;
    response.statusCode = Number(request.url?.slice(1));
    response.setHeader('location', '/200').end('body');
  });
  let port: number;
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const check = (text: string, signal = new AbortController().signal) =>
    checkHealth(parseHealthCheck(text), { env: { ...process.env, WORD: 'yes' }, signal });

  it.each([
    ['tcp:8080', { kind: 'tcp', host: 'localhost', port: 8080 }],
    ['tcp:db.local:5432', { kind: 'tcp', host: 'db.local', port: 5432 }],
    ['tcp:[::1]:80', { kind: 'tcp', host: '::1', port: 80 }],
    ['https://a.example/x', { kind: 'url', url: 'https://a.example/x' }],
    ['pg_isready -q', { kind: 'command', line: 'pg_isready -q' }],
  ])('reads %s', (text, expected) => {
    expect(parseHealthCheck(text)).toEqual(expected);
  });

  it.each(['', ' ', 'tcp:', 'tcp:0', 'tcp:65536', 'tcp:host', 'http://', 'https://user:word@a.example/'])(
    'refuses %j',
    (text) => {
      expect(() => parseHealthCheck(text)).toThrow(USAGE);
    },
  );

  it('passes by status 2xx, does not follow redirects, and says the status', async () => {
    expect(await check(`http://127.0.0.1:${port}/200`)).toBeUndefined();
    expect(await check(`http://127.0.0.1:${port}/503`)).toBe('it answered status 503');
    expect(await check(`http://127.0.0.1:${port}/302`)).toBe('it answered status 302');
  });

  it('ends when its time is over', async () => {
    const over = new AbortController();
    server.once('request', () => over.abort());
    expect(await check(`http://127.0.0.1:${port}/hangs`, over.signal)).toBe('it did not answer (AbortError)');
    expect(await check('sleep 1000', AbortSignal.abort())).toMatch(/SIGKILL/);
  });

  it('passes when something listens', async () => {
    expect(await check(`tcp:127.0.0.1:${port}`)).toBeUndefined();
    expect(await check(`tcp:${port}`)).toBeUndefined();
    expect(await check('tcp:127.0.0.1:1')).toBe('nothing listens (ECONNREFUSED)');
    expect(await check('http://127.0.0.1:1/')).toMatch(/^it did not answer \(/);
  });

  it('passes by exit code 0 of a command, which has the environment of the command', async () => {
    expect(await check('[ "$WORD" = yes ]')).toBeUndefined();
    expect(await check('[ "$WORD" = no ]')).toBe('the check ended with exit code 1');
  });
});

function secret(name: string, versionId: string, text: string): SecretValue {
  return new SecretValue({ name, versionId, text });
}
