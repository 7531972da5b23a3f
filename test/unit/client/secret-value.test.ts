import { inspect } from 'node:util';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { isAuthError } from '../../../client/auth-error.ts';
import { describeFailure } from '../../../client/describe-failure.ts';
import { SecretValue } from '../../../client/secret-value.ts';
import * as fc from '../../harness/properties.ts';

const TEXT = '{"username":"app","password":"s3cr3t/ü+\\"x","nested":[{"key":"deep-key"}]}';
const value = new SecretValue({ name: 'prod/db', versionId: 'v1', text: TEXT });

describe('SecretValue', () => {
  it('gives its text on request only', () => {
    expect(value.reveal()).toBe(TEXT);
    expect(value.json<{ username: string }>().username).toBe('app');
  });

  it.each([
    ['String', () => String(value)],
    // oxlint-disable-next-line typescript/restrict-template-expressions -- what this is about
    ['a template', () => `${value}`],
    ['JSON', () => JSON.stringify({ value })],
    ['inspect', () => inspect({ value }, { depth: 9, showHidden: true })],
    ['concatenation', () => `${value as unknown as string} and more`],
    ['structuredClone', () => inspect(structuredClone(value), { showHidden: true })],
    ['its own keys', () => JSON.stringify(Object.entries(Object.getOwnPropertyDescriptors(value)))],
    [
      'a message to a worker',
      () => {
        const { port1, port2 } = new MessageChannel();
        port1.postMessage(value);
        const received = inspect(receiveMessageOnPort(port2), { depth: 9, showHidden: true });
        port1.close();
        return received;
      },
    ],
  ])('shows nothing through %s', (_, show) => {
    expect(show()).not.toMatch(/s3cr3t|deep-key|username/);
  });

  it('says that it is not JSON without quoting what it is', () => {
    const plain = new SecretValue({ name: 'k', versionId: 'v', text: 'sk-live-12345' });
    const thrown = (() => {
      try {
        return plain.json();
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toMatchObject({ name: 'SecretNotJson' });
    expect(thrown).not.toHaveProperty('cause');
    expect(inspect(thrown)).not.toContain('sk-live');
  });
});

describe('a described failure', () => {
  it('replaces values, the texts in their JSON and their encodings, before it cuts', () => {
    const { password } = value.json<{ password: string }>();
    const forms = [
      TEXT,
      password,
      JSON.stringify(password),
      encodeURIComponent(password),
      Buffer.from(password).toString('base64'),
      Buffer.from(password).toString('hex'),
      'deep-key',
    ];
    for (const form of forms) {
      const said = describeFailure(new Error(`${'x'.repeat(150)} ${form} ${'y'.repeat(300)}`), [value]);
      expect(said).toMatch(/^Error: x{150} "?\[redacted\]"? y+$/);
      expect(said.length).toBe(200);
    }
  });

  it('is one line, and passes on no name that may be somebody’s text', () => {
    const pem = `-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----`;
    const key = new SecretValue({ name: 'k', versionId: 'v', text: pem });
    expect(describeFailure(new Error(`bad ${pem}`), [key])).toBe('Error: bad [redacted]');
    expect(describeFailure(new Error('bad MIIEvQIBADANBgkq here'), [key])).toBe('Error: bad [redacted] here');
    expect(describeFailure(Object.assign(new Error('m'), { name: 'deep key!' }), [])).toBe('Error: m');
    expect(describeFailure({ any: 'thing' }, [])).toBe('Error: no message');
  });

  it('never holds a value, whatever both are', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12 }), fc.string(), fc.string(), (secret, before, after) => {
        const held = new SecretValue({ name: 'k', versionId: 'v', text: secret });
        expect(describeFailure(new Error(before + secret + after), [held])).not.toContain(secret);
      }),
    );
  });
});

describe('isAuthError', () => {
  it.each([
    [{ status: 401 }],
    [{ response: { status: 401 } }],
    [{ $metadata: { httpStatusCode: 401 } }],
    [{ code: '28P01' }],
    [{ code: 'ER_ACCESS_DENIED_ERROR' }],
    [{ name: 'AccessDeniedException' }],
    [new Error('WRONGPASS invalid username-password pair')],
  ])('knows %o', (error) => {
    expect(isAuthError(error)).toBe(true);
  });

  it.each([[{ status: 500 }], [{ code: 'ECONNREFUSED' }], [new Error('no')], [undefined], ['401']])(
    'passes over %o',
    (error) => {
      expect(isAuthError(error)).toBe(false);
    },
  );
});
