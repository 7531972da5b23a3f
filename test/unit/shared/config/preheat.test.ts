import { describe, expect, it } from 'vitest';

import { problems, secret } from './one-secret.ts';

const IAM = ['type: iam', 'provider: { user: uploader }'];

describe('preheat of an access key', () => {
  it.each([
    [100, '1s', 20],
    [21, '1s', 20],
    [100, '4s', 80],
  ])('asks for no more checks than fit, at their least distance: %i in %s', (checks, timeout, most) => {
    expect(problems([...IAM, `preheat: { health_checks: ${checks}, timeout: ${timeout} }`])).toEqual([
      `6:31: found ${checks} health checks within ${timeout.slice(0, -1)} s; checks of an access key are at least 50 ms apart, so that ${most} are the most that fit`,
    ]);
  });

  it.each([
    'health_checks: 20, timeout: 1s',
    'health_checks: 100, timeout: 5s',
    'health_checks: 100',
    'timeout: 1s',
    'health_checks: 1, timeout: 1s',
  ])('takes %s', (preheat) => {
    expect(problems([...IAM, `preheat: { ${preheat} }`])).toEqual([]);
  });

  it('is the only one whose checks are apart', () => {
    expect(secret(['type: redis', 'preheat: { health_checks: 100, timeout: 1s }'])).toMatchObject({
      preheatSeconds: 1,
      healthyThreshold: 100,
    });
  });
});
