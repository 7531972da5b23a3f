import type { IssuedRotator } from '../rotator.ts';
import { apiOf, type HttpDependencies, opens } from './api.ts';
import { readStored } from './credential-value.ts';
import { issueHttp, MADE_NOTHING } from './issue.ts';
import { preflightHttp } from './preflight.ts';
import { testHttp } from './preheat.ts';
import { retireHttp } from './retire.ts';

/**
 * Rotates a credential of any API that makes, tries and revokes credentials by requests, as `http:` of the secret
 * describes them. Incumbent and candidate are two credentials of the API, side by side until retirement.
 */
export function httpRotator(dependencies: HttpDependencies): IssuedRotator {
  return {
    type: 'http',
    kind: 'issued',
    overlap: true,
    preflight: (input) => preflightHttp(input, dependencies),
    issue: (input) => issueHttp(input, dependencies),
    madeNothing: MADE_NOTHING,
    test: (input) => testHttp(input, dependencies),
    probe: (value, settings) => {
      const api = apiOf(settings, undefined, dependencies);
      return opens(api, readStored(value, 'probed credential', api.declaration));
    },
    retire: (input) => retireHttp(input, dependencies),
    // Every request has a connection of its own, which ends with it.
    release: async () => undefined,
  };
}
