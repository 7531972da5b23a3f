import type { ProviderDeclaration } from '../../config/declaration.ts';
import { limitedFetch } from './limited-fetch.ts';
import { trustingFetch } from './trusting-fetch.ts';

/** `limitedFetch` for what is declared of one provider: over the given `fetch`, or one that trusts the declared authority. */
export function providerFetch(
  provider: ProviderDeclaration | undefined,
  {
    answerMilliseconds,
    fetch,
  }: { readonly answerMilliseconds?: number | undefined; readonly fetch?: typeof globalThis.fetch | undefined },
): typeof globalThis.fetch {
  const authority = provider?.certificateAuthority;
  return limitedFetch(answerMilliseconds, authority === undefined ? fetch : trustingFetch(authority));
}
