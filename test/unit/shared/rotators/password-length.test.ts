import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PolicyDeclaration, SECRET_TYPES } from '../../../../shared/config/declaration.ts';
import { Misconfigured } from '../../../../shared/errors.ts';
import { SecretText } from '../../../../shared/redact.ts';
import { systemClock } from '../../../../shared/clock.ts';
import { MOST_PASSWORD_BYTES, randomPassword, tooLongFor } from '../../../../shared/rotators/password.ts';
import { rotatorFor } from '../../../../shared/rotators/rotator-for.ts';
import type { PreflightInput } from '../../../../shared/rotators/rotator.ts';
import * as fc from '../../../harness/properties.ts';

const TYPES = Object.keys(MOST_PASSWORD_BYTES) as readonly (keyof typeof MOST_PASSWORD_BYTES)[];
const policy = (length: number, alphabet = 'abcdefgh'): PolicyDeclaration => ({ length, alphabet, require: [] });

describe('tooLongFor', () => {
  it.each(TYPES)('%s: lets every password through that it lets through by its length', (type) => {
    const most = MOST_PASSWORD_BYTES[type];
    const alphabets = fc.constantFrom('ab', 'aé', 'a€', 'a💥', 'éü');
    fc.assert(
      fc.property(alphabets, fc.integer({ min: 1, max: most + 1 }), (alphabet, length) => {
        const longest = length * Math.max(...Array.from(alphabet, (character) => Buffer.byteLength(character)));
        const fault = tooLongFor(type, policy(length, alphabet));
        expect(fault === undefined).toBe(longest <= most);
        if (fault === undefined && length < 300)
          expect(Buffer.byteLength(randomPassword(policy(length, alphabet)))).toBeLessThanOrEqual(most);
      }),
    );
  });

  it('has nothing to say of the default, of other types and of none', () => {
    for (const type of [...SECRET_TYPES, undefined]) expect(tooLongFor(type)).toBeUndefined();
    for (const type of ['postgresql', 'credential', 'toString', undefined])
      expect(tooLongFor(type, policy(4096, 'é💥'))).toBeUndefined();
  });
});

/** Whoever leaves its type to the engine of its value is not seen by the parser of the file. */
describe('preflight', () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  async function preflight(type: string, declared: PolicyDeclaration): Promise<unknown> {
    const { port } = server.address() as AddressInfo;
    const login = { username: 'app', password: 'a-leaked-value', host: '127.0.0.1', port };
    const value = new SecretText(JSON.stringify(login));
    const admin = new SecretText(JSON.stringify({ ...login, username: 'root' }));
    const rotator = await rotatorFor(type, { clock: systemClock });
    const input: PreflightInput = {
      settings: {
        secretId: 'one',
        mode: 'two_roles',
        preheatSeconds: 1,
        healthyThreshold: 1,
        endSessions: true,
        connection: { host: '127.0.0.1', port, tls: 'disable' },
        policy: declared,
      },
      incumbent: value,
      admin,
      versionId: 'v1',
      incumbentVersionId: 'v0',
      known: [],
    };
    const fault = await rotator?.preflight(input).catch((error: unknown) => error);
    await rotator?.release();
    return fault;
  }

  it.each(TYPES)('of %s stops at passwords that it does not take, before it asks anybody', async (type) => {
    const most = MOST_PASSWORD_BYTES[type];
    connections = 0;
    const error = await preflight(type, policy(most + 1));
    expect(error).toBeInstanceOf(Misconfigured);
    expect(error).toMatchObject({
      safeMessage: `policy is for passwords of ${most + 1} bytes; ${type} takes at most ${most}: make its length shorter.`,
    });
    expect(connections).toBe(0);
  });

  it.each(TYPES)('of %s goes on with the longest that it takes', async (type) => {
    connections = 0;
    expect(String(await preflight(type, policy(MOST_PASSWORD_BYTES[type])))).not.toContain('takes at most');
    expect(connections).toBeGreaterThan(0);
  });
});
