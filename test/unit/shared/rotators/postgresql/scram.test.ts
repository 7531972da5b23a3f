import { createHash, createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { saltFor, scramVerifier } from '../../../../../shared/rotators/postgresql/scram.ts';

it('agrees with the exchange in RFC 7677, section 3', async () => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
  const verifier = await scramVerifier('pencil', { salt });
  const [, keys] = verifier.split('$').slice(1);
  const [storedKey, serverKey] = (keys ?? '').split(':').map((key) => Buffer.from(key, 'base64'));
  expect(verifier).toMatch(/^SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$/);
  const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
  const message = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`;
  const sign = (key: Buffer) => createHmac('sha256', key).update(message).digest();
  expect(sign(serverKey as Buffer).toString('base64')).toBe('6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64');
  const signature = sign(storedKey as Buffer);
  const clientKey = proof.map((byte, index) => byte ^ (signature[index] as number));
  expect(createHash('sha256').update(clientKey).digest()).toEqual(storedKey);
});

it('takes the same salt for the same password and version, and another for any other', () => {
  expect(saltFor('password', 'v1')).toEqual(saltFor('password', 'v1'));
  expect(saltFor('password', 'v1')).toHaveLength(16);
  expect(saltFor('password', 'v1')).not.toEqual(saltFor('password', 'v2'));
  expect(saltFor('password', 'v1')).not.toEqual(saltFor('passwore', 'v1'));
});
