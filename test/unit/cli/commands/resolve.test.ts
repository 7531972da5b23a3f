import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { provide, type ProvideOptions } from '../../../../cli/commands/openclaw/provide.ts';
import { resolveCommand } from '../../../../cli/commands/resolve.ts';
import { appendWitness, readWitness } from '../../../../shared/openclaw/witness.ts';
import { FakeSecretSource } from '../../shared/openclaw/fake-secret-source.ts';

const NOW = new Date('2026-11-22T12:00:00Z');
const VALUE = 'sk-canary-0123456789';

describe('rekey resolve', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'rekey-test-'));
  });
  afterEach(() => {
    process.exitCode = undefined;
    rmSync(directory, { recursive: true, force: true });
  });

  it('answers one line of JSON', async () => {
    const { stdout, exitCode, stderr } = await ask(request(['prod/openai']));
    expect(stdout).toBe(`{"protocolVersion":1,"values":{"prod/openai":"${VALUE}"},"errors":{}}\n`);
    expect([exitCode, stderr]).toEqual([0, undefined]);
  });

  it.each([
    ['no JSON', `{"ids":["${VALUE}"`],
    ['nothing', ''],
    ['no UTF-8', Buffer.from([0xff, 0xfe, 0x22])],
    ['a list', '[]'],
    ['another protocol', `{"protocolVersion":2,"provider":"aws","ids":["${VALUE}"]}`],
    ['no protocol', `{"provider":"aws","ids":["${VALUE}"]}`],
    ['no provider', `{"protocolVersion":1,"ids":["${VALUE}"]}`],
    ['no ids', '{"protocolVersion":1,"provider":"aws"}'],
    ['an id that is no text', '{"protocolVersion":1,"provider":"aws","ids":[5]}'],
    ['an empty id', '{"protocolVersion":1,"provider":"aws","ids":[""]}'],
    ['513 ids', request(Array.from({ length: 513 }, (_, index) => `${VALUE}-${index}`))],
    ['more than 256 KiB', request(['a'.repeat(256 * 1024)])],
    ['far more than that', Buffer.alloc(8 * 1024 * 1024, 0x20)],
  ])('refuses %s in one sentence that quotes nothing', async (_, input) => {
    const { stdout, stderr, exitCode } = await ask(input);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toEqual({ protocolVersion: 1, values: {}, error: { code: 'REKEY_OPENCLAW_REQUEST' } });
    expect(stderr).toMatch(/^rekey resolve: [^\n]+\.? \(REKEY_OPENCLAW_REQUEST\)$/);
    expect(stdout + stderr).not.toContain(VALUE);
    expect(stderr).not.toContain(' at ');
  });

  it('stops reading a request that does not end', async () => {
    let chunks = 0;
    async function* endless() {
      while ((chunks += 1) < 1000) yield Buffer.alloc(64 * 1024);
    }
    expect(await provide({}, { input: endless(), environment: {}, elapsedMilliseconds: 0 })).toMatchObject({
      exitCode: 2,
    });
    expect(chunks).toBeLessThan(10);
  });

  it('takes 512 ids', async () => {
    const ids = Array.from({ length: 512 }, (_, index) => `id-${index}`);
    const { stdout, exitCode } = await ask(request(ids));
    expect(exitCode).toBe(0);
    expect(Object.keys(JSON.parse(stdout).errors)).toHaveLength(512);
  });

  it('appends which versions it served, for nobody else to read, and never a value', async () => {
    const witness = join(directory, 'witness.jsonl');
    await ask(request(['prod/openai', 'nope']), { witness });
    await ask(request(['prod/openai']), { witness });
    const text = readFileSync(witness, 'utf8');
    expect(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { at: NOW.toISOString(), parent: 4711, ids: { 'prod/openai': 'v1' }, errors: { nope: 'NOT_FOUND' } },
      { at: NOW.toISOString(), parent: 4711, ids: { 'prod/openai': 'v1' }, errors: {} },
    ]);
    expect(text).not.toContain(VALUE);
    expect(statSync(witness).mode & 0o777).toBe(0o600);
  });

  it('answers all the same when the witness cannot be written', async () => {
    const { stdout, stderr, exitCode } = await ask(request(['prod/openai']), { witness: join(directory, 'no/where') });
    expect(JSON.parse(stdout).values).toEqual({ 'prod/openai': VALUE });
    expect([exitCode, stderr]).toEqual([0, 'rekey resolve: the witness file cannot be written.']);
  });

  it('keeps the newest lines of the witness within 1 MiB', () => {
    const witness = join(directory, 'witness.jsonl');
    const id = 'x'.repeat(10_000);
    for (let line = 0; line < 130; line += 1) {
      appendWitness(witness, {
        at: new Date(NOW.getTime() + line),
        parent: 1,
        ids: { [id]: String(line) },
        errors: {},
      });
    }
    expect(statSync(witness).size).toBeLessThanOrEqual(1024 * 1024);
    expect(statSync(witness).mode & 0o777).toBe(0o600);
    expect(readWitness(witness, NOW).at(-1)?.ids[id]).toBe('129');
  });

  it('serves what the serve file names, and ignores one that others may write', async () => {
    const serveFile = join(directory, 'serve.json');
    const expiresAt = new Date(NOW.getTime() + 60_000).toISOString();
    writeFileSync(serveFile, JSON.stringify({ serve: { 'prod/openai': { versionId: 'v2', expiresAt } } }), {
      mode: 0o600,
    });
    expect(JSON.parse((await ask(request(['prod/openai']), { serveFile })).stdout).values).toEqual({
      'prod/openai': 'candidate',
    });
    chmodSync(serveFile, 0o622);
    expect(JSON.parse((await ask(request(['prod/openai']), { serveFile })).stdout).values).toEqual({
      'prod/openai': VALUE,
    });
  });

  it.each(['', 'nonsense', '{"serve":[]}', '{"serve":{"prod/openai":{"versionId":"v2","expiresAt":"never"}}}', '[]'])(
    'serves AWSCURRENT when the serve file says %j',
    async (text) => {
      const serveFile = join(directory, 'serve.json');
      writeFileSync(serveFile, text, { mode: 0o600 });
      const { stdout } = await ask(request(['prod/openai']), { serveFile });
      expect(JSON.parse(stdout).values).toEqual({ 'prod/openai': VALUE });
    },
  );

  it('takes aliases from a file or the environment, and stops when it cannot', async () => {
    const aliasFile = join(directory, 'aliases.json');
    writeFileSync(aliasFile, '{"key":"prod/openai"}');
    expect((await ask(request(['key']), { aliasFile })).stdout).toContain(VALUE);
    expect((await ask(request(['key']), {}, { REKEY_ALIASES: '{"key":"prod/openai"}' })).stdout).toContain(VALUE);
    const { exitCode, stderr } = await ask(request(['key']), { aliasFile: join(directory, 'nope') });
    expect([exitCode, stderr]).toEqual([
      3,
      'rekey resolve: The file of aliases cannot be read. (REKEY_OPENCLAW_ALIASES)',
    ]);
    expect((await ask(request(['key']), {}, { REKEY_ALIASES: '{"+":"x"}' })).exitCode).toBe(3);
  });

  it('is a command of rekey too', async () => {
    const lines: string[] = [];
    const output = { line: (text: string) => void lines.push(text), note: () => undefined, interactive: false };
    await resolveCommand(output, Readable.from([Buffer.from('nonsense')])).parseAsync([], { from: 'user' });
    expect(lines).toEqual(['{"protocolVersion":1,"values":{},"error":{"code":"REKEY_OPENCLAW_REQUEST"}}']);
    expect(process.exitCode).toBe(2);
  });

  it('does not follow a link in the place of the serve file of others', async () => {
    const theirs = join(directory, 'theirs');
    writeFileSync(theirs, '{"serve":{}}', { mode: 0o666 });
    chmodSync(theirs, 0o666);
    const serveFile = join(directory, 'serve.json');
    symlinkSync(theirs, serveFile);
    expect((await ask(request(['prod/openai']), { serveFile })).stdout).toContain(VALUE);
  });
});

function request(ids: readonly string[]): string {
  return JSON.stringify({ protocolVersion: 1, provider: 'aws', ids });
}

function ask(input: string | Buffer, options: ProvideOptions = {}, environment: NodeJS.ProcessEnv = {}) {
  const source = new FakeSecretSource()
    .put('prod/openai', 'v1', VALUE, 'AWSCURRENT')
    .put('prod/openai', 'v2', 'candidate', 'AWSPENDING');
  return provide(options, {
    input: Readable.from([Buffer.from(input)]),
    environment,
    now: () => NOW,
    parent: 4711,
    elapsedMilliseconds: 0,
    source: () => source,
  });
}
