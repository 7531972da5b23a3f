import { sign } from 'node:crypto';
import type { App } from './app-key.ts';

/** GitHub recommends a minute, for clocks that differ, and allows ten minutes from now at most. */
const BACKDATED_SECONDS = 60;
const LIFETIME_SECONDS = 600;

export interface AppJwt {
  readonly jwt: string;
  readonly expiresAt: string;
}

/**
 * Proves to be the App for nine minutes from `now`:
 * https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
 */
export function appJwt({ appId, key }: Pick<App, 'appId' | 'key'>, now: Date): AppJwt {
  const iat = Math.floor(now.getTime() / 1000) - BACKDATED_SECONDS;
  const exp = iat + LIFETIME_SECONDS;
  const unsigned = [
    { alg: 'RS256', typ: 'JWT' },
    { iat, exp, iss: appId },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = sign('sha256', Buffer.from(unsigned), key).toString('base64url');
  return { jwt: `${unsigned}.${signature}`, expiresAt: new Date(exp * 1000).toISOString() };
}
