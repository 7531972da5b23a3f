import type { CatalogueEntry } from '../catalogue-entry.ts';

export const API_KEY: CatalogueEntry = {
  type: 'api_key',
  rotates:
    'API keys of one OpenAI service account: a new key by the Administration API, then the old one deleted by its id.',
  kind: 'issued',
  value:
    '{"api_key":"…","key_id":"…"} (apiKey and OPENAI_API_KEY are taken too), or the key as plain text where the secret was plain text',
  needs: [
    'admin_secret: an admin key, as plain text or as JSON with admin_key, api_key or apiKey, that may write the API keys of the project',
    'provider: project (proj_…) and service_account (svc_acct_…); name is openai',
    'permissions, if keys shall be narrower than the service account: scopes as "api.model.request"; chat and completion mean that one',
    'an adopted key that belongs to this service account; key_id in its JSON where its visible characters do not tell it from others',
  ],
  overlap: 'Incumbent and candidate work side by side until the incumbent is deleted. There is no limit of keys.',
  proofOfDeath: 'The key is deleted by its id, then GET /v1/models with its value is answered with 401.',
  limits: [
    "OpenAI does not tell a key's scopes: parity compares the project and some requests that only read, where no permissions are declared",
    'an organization or project whose policy demands that keys expire makes none: Rekey asks for keys without an end',
    'chat and completion cannot be told apart: both are the scope of requests to models',
    'keys of the service account that Rekey did not make are never touched, but for the adopted one',
  ],
  example: `- name: api_key_openai
  type: api_key
  rotation: quarterly
  admin_secret: openai-admin-key
  provider:
    project: proj_abc123
    service_account: svc_acct_abc123
  permissions: [chat, completion]
`,
};
