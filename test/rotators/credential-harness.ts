import { randomBytes } from 'node:crypto';
import { SecretText } from '../../shared/redact.ts';
import { credentialRotator } from '../../shared/rotators/credential/credential-rotator.ts';
import type { TargetHarness } from './target-harness.ts';

/** No target: what can be kept is kept by the values themselves. */
export async function openCredential(): Promise<TargetHarness> {
  return {
    type: 'credential',
    adopt: async (name) => ({
      name,
      declared: {},
      incumbent: new SecretText(JSON.stringify({ service: name, password: randomBytes(12).toString('hex') })),
      admin: undefined,
    }),
    rotator: (clock) => credentialRotator({ clock }),
    state: async () => 'there is no target',
    unaccounted: async () => [],
    use: async (value) => {
      const { password } = JSON.parse(value.reveal()) as { readonly password?: unknown };
      if (typeof password !== 'string' || password === '') throw new Error('not a value of this secret');
    },
    stop: () => Promise.resolve(),
  };
}
