import { afterEach, describe, expect, it, vi } from 'vitest';
import { defaultProvider } from '../../../functions/lambda-credentials.ts';
import { Misconfigured } from '../../../shared/errors.ts';

describe('the credentials of a function', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('are those that Lambda puts into the environment', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'id');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'key');
    vi.stubEnv('AWS_SESSION_TOKEN', 'token');
    expect(await defaultProvider()()).toEqual({ accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'token' });
  });

  it('have no session token where there is none', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'id');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'key');
    vi.stubEnv('AWS_SESSION_TOKEN', '');
    expect(await defaultProvider()()).toEqual({ accessKeyId: 'id', secretAccessKey: 'key' });
  });

  it('come from nowhere else', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_PROFILE', 'somebody');
    await expect(defaultProvider()()).rejects.toBeInstanceOf(Misconfigured);
  });
});
