import type { CatalogueEntry } from '../catalogue-entry.ts';

export const GITHUB_TOKEN: CatalogueEntry = {
  type: 'github_token',
  rotates: 'Installation access tokens of a GitHub App, narrowed to declared repositories and permissions.',
  kind: 'issued',
  value:
    '{"token":"…","expires_at":"…"}, or the token as plain text where the secret was plain text; other keys are carried over',
  needs: [
    "admin_secret: the App's private key, as PEM text or as JSON with private_key (and app_id, if it likes)",
    'provider: app_id and installation_id; repositories to narrow, base_url for GitHub Enterprise Server (https://HOST/api/v3)',
    'permissions, as in "contents:read", "write:repo_hook" or "read:all", each granted to the installation',
  ],
  overlap: 'Incumbent and candidate work side by side until the incumbent is retired, or until its hour is over.',
  proofOfDeath:
    "DELETE /installation/token as the token itself (a person's: POST /credentials/revoke), then GitHub answers it with 401 in its own words (Bad credentials).",
  limits: [
    'a token ends by itself after an hour: it is replaced after 40 minutes at the latest, so grace is shorter than 20 minutes (10 by default), and an expired incumbent stops no rotation',
    'an answer that is lost, or is not in the form of GitHub (JSON with message and documentation_url), leaves a token that nobody has and that nobody can end: it is waited for, about an hour',
    "a token of a person's that was adopted (ghp_, github_pat_, gho_, ghu_) is revoked by POST /credentials/revoke, which github.com takes from anybody who has the token, at most 60 times an hour, and of which it tells its owner; an Enterprise Server wants a person's token for that: there its retirement stays owed until a person deletes it",
    'a 403 in other words than GitHub has for a token that it knows (its limit of failed logins, after which it lets nobody in for a while, a page of a proxy) says nothing of a token',
    'a token that GitHub takes and shows no repositories (HTTP 403) is unproven, unless its permissions are for none: an organization that lets in listed addresses only must list those of the functions',
    'read:all leaves out what exists as write only (workflows)',
    'the certificate of a GitHub Enterprise Server must be signed by an authority that Node.js trusts, or that certificate_authority names, beside base_url',
  ],
  testedAt:
    'A server of Rekey’s repository that keeps the published rules, with GitHub’s own SDK. Not at GitHub itself.',
  example: `- name: api_key_github
  type: github_token
  rotation: rate(30 minutes)
  admin_secret: github-app-private-key
  provider:
    app_id: 123456
    installation_id: 7890123
    repositories: [rekey]
  permissions: ["contents:read", "write:repo_hook"]
`,
};
