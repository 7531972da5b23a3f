import type { Clock } from '../../clock.ts';
import { Misconfigured } from '../../errors.ts';
import type { RotatorSettings } from '../rotator.ts';
import type { KeyProvider } from './key-provider.ts';
import { openaiProvider } from './openai/openai-provider.ts';

/** What a provider's client is given. */
export interface ProviderTools {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
}

const STANDARD = 'openai';
const PROVIDERS: Readonly<Record<string, (settings: RotatorSettings, tools: ProviderTools) => KeyProvider>> = {
  openai: openaiProvider,
};

/** The provider that the secret names; OpenAI where it names none. Throws `Misconfigured` that says which there are. */
export function providerOf(settings: RotatorSettings, tools: ProviderTools): KeyProvider {
  const name = settings.provider?.name ?? STANDARD;
  const open = Object.hasOwn(PROVIDERS, name) ? PROVIDERS[name] : undefined;
  if (open !== undefined) return open(settings, tools);
  throw new Misconfigured(
    `provider of "${settings.secretId}": Rekey makes API keys at ${Object.keys(PROVIDERS).join(', ')}; for another API use type http.`,
  );
}
