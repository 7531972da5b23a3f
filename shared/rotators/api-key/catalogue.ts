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
    'provider: project (proj_…) and service_account (svc_acct_…); name is openai; expires_in, where keys shall or must end by themselves',
    'permissions, if keys shall be narrower than the service account: scopes as "api.model.request", which chat and completion mean, and "api.responses.write", which responses means',
    'an adopted key that belongs to this service account; key_id in its JSON where its visible characters do not tell it from others',
  ],
  overlap: 'Incumbent and candidate work side by side until the incumbent is deleted. There is no limit of keys.',
  proofOfDeath: 'The key is deleted by its id, then GET /v1/models with its value is answered with 401.',
  limits: [
    "OpenAI does not tell a key's scopes: Rekey tries what a request shows that costs nothing (lists, and calls of models without their input, which are answered with 400). Without permissions both keys must be allowed the same; with permissions the new key must be allowed what these name (calls of models and responses, models, files, api.all.read), and something where the old one is. Other scopes are not tried",
    "unverified at OpenAI itself: that a missing scope is told before a request's faults are, and the name of the scope of calls: its reference says api.model.request (audit log), its errors say model.request. Test stops a key that may not do it",
    'an organization or project whose policy demands that keys expire: declare provider.expires_in, in its bounds; the next rotation is then due when two thirds of that are over. Unverified at OpenAI itself: the words of its refusal',
    "an answer that is not in OpenAI's form (a JSON error with message and type) is that of something on the way, whatever its status: it says nothing of a key, and one that may have been made is looked for by its name and deleted",
    'chat and completion cannot be told apart: both are the scope of calls of models',
    'keys of the service account that Rekey did not make are never touched, but for the adopted one',
  ],
  testedAt:
    'A server of Rekey’s repository that keeps the published rules, with OpenAI’s own SDK. Not at OpenAI itself.',
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
