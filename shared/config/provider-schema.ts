import * as z from 'zod';

import { baseUrlSchema } from './base-url-schema.ts';
import type { ProviderDeclaration } from './declaration.ts';
import { oneOf, textLike, wholeNumber } from './schema-text.ts';

const IAM_USER = /^(?=.{1,576}$)(?:[\w+=,.@-]+\/)*[\w+=,.@-]{1,64}$/;
const REPOSITORY = /^(?:[\w.-]{1,100}\/)?[\w.-]{1,100}$/;
const REPOSITORIES = 'repositories is a list of 1 to 500 names; without repositories: all that the installation has';
const ID = /^[\w-]{1,128}$/;
/** GitHub's have eight digits today. */
const GITHUB_ID = { min: 1, max: 999_999_999_999 };

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
  },
  { error: 'provider is a mapping such as { user: uploader }' },
);

/** The declaration that a `provider:` means. */
export function providerDeclaration(written: z.output<typeof providerSchema>): ProviderDeclaration {
  const { app_id, installation_id, service_account, base_url, user, repositories, name, project } = written;
  return {
    ...(name === undefined ? {} : { name }),
    ...(user === undefined ? {} : { user }),
    ...(app_id === undefined ? {} : { appId: app_id }),
    ...(installation_id === undefined ? {} : { installationId: installation_id }),
    ...(repositories === undefined ? {} : { repositories }),
    ...(project === undefined ? {} : { project }),
    ...(service_account === undefined ? {} : { serviceAccount: service_account }),
    ...(base_url === undefined ? {} : { baseUrl: base_url }),
  };
}
