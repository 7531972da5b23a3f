import { describe, expect, it } from 'vitest';

import { problems, secret, warnings } from './one-secret.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** The life is in line 8, from column 19 on. */
function lines(life: string, ...more: readonly string[]): readonly string[] {
  const provider = ['provider:', '  project: proj_1', '  service_account: svc_acct_1', `  expires_in: ${life}`];
  return ['type: api_key', ...provider, 'admin_secret: root', ...more];
}

describe('expires_in', () => {
  it.each([
    ['1h', HOUR],
    ['90d', 90 * DAY],
    ['12_hours', 12 * HOUR],
    ['P30D', 30 * DAY],
    ['365d', 365 * DAY],
  ])('is a life in seconds: %s', (written, seconds) => {
    expect(secret(lines(written)).provider?.expiresInSeconds).toBe(seconds);
  });

  it('is absent where nothing is written', () => {
    expect(secret(lines('1d').filter((line) => !line.includes('expires_in'))).provider).toEqual({
      project: 'proj_1',
      serviceAccount: 'svc_acct_1',
    });
  });

  const BOUNDS = 'expires_in is from 1h to 365d';
  const FORMS = 'expires_in is a duration such as 30s, 5m, 1h, 7d, 30_seconds, PT30S or 0';
  it.each([
    ['59m', `found "59m"; ${BOUNDS}`],
    ['3599s', `found "3599s"; ${BOUNDS}`],
    ['0', `found a number; ${BOUNDS}`],
    ['366d', `found "366d"; ${BOUNDS}`],
    ['31536001s', `found "31536001s"; ${BOUNDS}`],
    ['90', `found a number; ${FORMS}`],
    ['1.5h', `found "1.5h"; ${FORMS}`],
    ['P1M', `found "P1M"; ${FORMS}`],
    ['never', `found "never"; ${FORMS}`],
    ['null', `found nothing; ${FORMS}`],
  ])('refuses %s', (written, expected) => {
    expect(problems(lines(written))).toEqual([`8:19: ${expected}`]);
  });

  it('leaves more than the grace period of a key’s life, when it is replaced at two thirds', () => {
    expect(secret(lines('9h', 'grace: 10799s')).graceSeconds).toBe(3 * HOUR - 1);
    expect(problems(lines('9h', 'grace: 3h'))).toEqual([
      '10:12: found a grace period of 10800 s, and expires_in of 32400 s; grace is shorter than a third of expires_in, because keys are replaced at two thirds of their life',
    ]);
    expect(secret(lines('1h', 'grace: 0')).graceSeconds).toBe(0);
  });

  it.each([
    ['365d', HOUR],
    ['6h', HOUR],
    ['5h', 3000],
    ['1h', 600],
  ])('of %s leaves a grace period that nobody declared of %i s', (written, seconds) => {
    expect(secret(lines(written)).graceSeconds).toBe(seconds);
    expect(problems(lines(written, `grace: ${seconds}s`))).toEqual([]);
  });

  it('goes before a longer interval, with a warning', () => {
    expect(warnings(lines('1d'))).toEqual([]);
    expect(warnings(lines('23h'))).toEqual([
      '8:19: found expires_in of 82800 s, and a rotation interval of about 86400 s; renewals come at two thirds of the life of a key, after about 55200 s',
    ]);
  });
});
