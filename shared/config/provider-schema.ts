import * as z from 'zod';

import { baseUrlSchema } from './base-url-schema.ts';
import type { ProviderDeclaration } from './declaration.ts';
import { CERTIFICATE_AUTHORITY, oneOf, seconds, text, textLike, wholeNumber } from './schema-text.ts';

const IAM_USER = /^(?=.{1,576}$)(?:[\w+=,.@-]+\/)*[\w+=,.@-]{1,64}$/;
const REPOSITORY = /^(?:[\w.-]{1,100}\/)?[\w.-]{1,100}$/;
const REPOSITORIES = 'repositories is a list of 1 to 500 names; without repositories: all that the installation has';
const ID = /^[\w-]{1,128}$/;
/** GitHub's have eight digits today. */
const GITHUB_ID = { min: 1, max: 999_999_999_999 };

/** Shorter ones would be replaced every few minutes; longer ones are as good as none. */
const LIFE = { min: 3600, max: 31_536_000, bounds: 'from 1h to 365d' };

/** `provider:` of every type that has one; `fieldFindings` says which type has and needs which field. */
export const providerSchema = z.strictObject(
  {
    user: textLike(
      IAM_USER,
      'user is the name of an IAM user, at most 64 letters, digits and _+=,.@-, behind its path where it has one',
    ).optional(),
    app_id: wholeNumber('app_id', GITHUB_ID).optional(),
    installation_id: wholeNumber('installation_id', GITHUB_ID).optional(),
    repositories: z
      .array(textLike(REPOSITORY, 'a repository is a name such as rekey or acme/rekey'), { error: REPOSITORIES })
      .min(1, { error: REPOSITORIES })
      .max(500, { error: REPOSITORIES })
      .optional(),
    name: oneOf('name', ['openai']).optional(),
    project: textLike(ID, 'project is an id such as proj_abc123').optional(),
    service_account: textLike(ID, 'service_account is an id such as svc_acct_abc123').optional(),
    base_url: baseUrlSchema.optional(),
    certificate_authority: text(CERTIFICATE_AUTHORITY).optional(),
    expires_in: seconds('expires_in', LIFE).optional(),
  },
  { error: 'provider is a mapping such as { user: uploader }' },
);

/** The declaration that a `provider:` means, with the certificates of the file that it names. */
export function providerDeclaration(
  written: z.output<typeof providerSchema>,
  certificateAuthority?: string,
): ProviderDeclaration {
  const { app_id, installation_id, service_account, base_url, expires_in, ...same } = written;
  const { user, repositories, name, project } = same;
  return {
    ...(name === undefined ? {} : { name }),
    ...(user === undefined ? {} : { user }),
    ...(app_id === undefined ? {} : { appId: app_id }),
    ...(installation_id === undefined ? {} : { installationId: installation_id }),
    ...(repositories === undefined ? {} : { repositories }),
    ...(project === undefined ? {} : { project }),
    ...(service_account === undefined ? {} : { serviceAccount: service_account }),
    ...(base_url === undefined ? {} : { baseUrl: base_url }),
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    ...(expires_in === undefined ? {} : { expiresInSeconds: expires_in }),
  };
}
