import { createHash, createHmac, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(pbkdf2);

/** PostgreSQL's own default (`scram_iterations`): https://www.postgresql.org/docs/18/runtime-config-connection.html */
export const SCRAM_ITERATIONS = 4096;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/**
 * What PostgreSQL keeps in place of a password (RFC 5803 form, RFC 7677 arithmetic). Sent instead of the password, so
 * no statement log can hold one. The password as it is: `assertSameForAll` has seen to it that preparing it changes nothing.
 */
export async function scramVerifier(
  password: string,
  { salt, iterations = SCRAM_ITERATIONS }: { readonly salt: Buffer; readonly iterations?: number },
): Promise<string> {
  const salted = await derive(password, salt, iterations, KEY_BYTES, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = hmac(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/**
 * The salt for one password and one use of it, always the same: a retry sends the verifier that is already there.
 * Keyed by the password, so it tells nothing to who does not know it, and differs for every password.
 */
export function saltFor(password: string, context: string): Buffer {
  return hmac(password, context).subarray(0, SALT_BYTES);
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
