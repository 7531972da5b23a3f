import { describe, expect, it } from 'vitest';

import { type HttpDeclaration, SECRET_TYPES } from '../../../../shared/config/declaration.ts';
import { missingFor, requiredOfProvider } from '../../../../shared/config/required-fields.ts';

const http = {} as HttpDeclaration;

describe('missingFor', () => {
  it.each([
    [{}, []],
    [{ type: 'iam' }, ['provider']],
    [{ type: 'iam', provider: {} }, ['provider.user']],
    [{ type: 'iam', provider: { user: 'a' } }, []],
    [{ type: 'github_token' }, ['provider', 'admin_secret']],
    [{ type: 'github_token', provider: {}, adminSecret: 'a' }, ['provider.app_id', 'provider.installation_id']],
    [{ type: 'github_token', provider: { appId: 1 }, adminSecret: 'a' }, ['provider.installation_id']],
    [{ type: 'github_token', provider: { appId: 1, installationId: 1 } }, ['admin_secret']],
    [{ type: 'github_token', provider: { appId: 1, installationId: 1 }, adminSecret: 'a' }, []],
    [{ type: 'api_key' }, ['provider', 'admin_secret']],
    [
      { type: 'api_key', provider: { name: 'openai' } },
      ['provider.project', 'provider.service_account', 'admin_secret'],
    ],
    [{ type: 'api_key', provider: { project: 'a', serviceAccount: 'b' } }, ['admin_secret']],
    [{ type: 'api_key', provider: { project: 'a', serviceAccount: 'b' }, adminSecret: 'a' }, []],
    [{ type: 'http' }, ['http']],
    [{ type: 'http', http }, []],
  ] as const)('says of %j what is missing', (declaration, expected) => {
    expect(missingFor(declaration)).toEqual(expected);
  });

  it.each(SECRET_TYPES.filter((type) => !['iam', 'github_token', 'api_key', 'http'].includes(type)))(
    'finds that nothing is missing for %s, whose value Rekey chooses',
    (type) => {
      expect(missingFor({ type })).toEqual([]);
      expect(requiredOfProvider(type)).toEqual([]);
    },
  );
});
