import { describe, expect, it } from 'vitest';

import { parseConfiguration } from '../../../../shared/config/parse-configuration.ts';
import { problems, secret, warnings } from './one-secret.ts';

const APP = ['type: github_token', 'admin_secret: app', 'provider: { app_id: 1, installation_id: 2 }'];
const LIFE = "tokens that live 3600 s, as a GitHub App's do";

describe('the hour of a github_token', () => {
  it.each(['20m', '1h', '20d'])('leaves less than a grace period of %s, when the token is replaced', (grace) => {
    const [found, ...more] = problems([...APP, `grace: ${grace}`]).filter((line) => !line.includes('interval'));
    expect(found).toMatch(
      /^7:12: found a grace period of \d+ s, and tokens that live 3600 s, as a GitHub App's do; grace is shorter than a third of that, because tokens are replaced at two thirds of their life$/,
    );
    expect(more).toEqual([]);
  });

  it('leaves a grace period of less than 20 minutes', () => {
    expect(secret([...APP, 'grace: 1199s']).graceSeconds).toBe(1199);
    expect(secret([...APP, 'grace: 0']).graceSeconds).toBe(0);
  });

  it('leaves a grace period that nobody declared of 10 minutes, or of half a shorter interval', () => {
    expect(secret(APP).graceSeconds).toBe(600);
    const text = `secrets: [{ name: one, rotation: 10_minutes, ${APP.join(', ')} }]`;
    const result = parseConfiguration({ path: 'secrets.yaml', bytes: Buffer.from(text) });
    expect(result.ok && result.configuration.environments[0]?.secrets[0]?.graceSeconds).toBe(300);
  });

  it('goes before a longer interval, with a warning', () => {
    expect(warnings(APP)).toEqual([
      `3:15: found ${LIFE}, and a rotation interval of about 86400 s; renewals come at two thirds of the life of a token, after about 2400 s`,
    ]);
    const text = `secrets: [{ name: one, rotation: 30_minutes, ${APP.join(', ')} }]`;
    expect(parseConfiguration({ path: 'secrets.yaml', bytes: Buffer.from(text) })).toMatchObject({ warnings: [] });
  });

  it('is none without the App that makes tokens: what is there may be a person’s, and is not rotated', () => {
    expect(secret(['type: github_token', 'grace: 20h']).graceSeconds).toBe(72_000);
    expect(secret(['type: github_token']).graceSeconds).toBe(3600);
  });
});
