import type { CatalogueEntry } from '../catalogue-entry.ts';

export const HTTP: CatalogueEntry = {
  type: 'http',
  rotates:
    'Has any HTTP API make a new credential and revoke the old one, by requests that secrets.yaml describes, without code.',
  kind: 'issued',
  value:
    '{"value":"…","id":"…"}: what create.capture names, and every other key that was there; or plain text, which is the value alone',
  needs: [
    'An API with requests that make a credential, use it, and revoke it, over https (http only on a loopback address).',
    'certificate_authority (a PEM file) where an authority of your own signed its certificate.',
    'admin_secret: what create, list and revoke authenticate with, as plain text ({{admin}}) or JSON ({{admin.KEY}}).',
    'create: its answer is JSON and holds the value; capture names what is kept of it by JSON Pointers (RFC 6901): value always, id where revoke needs it, expires_at (RFC 3339, or seconds since 1970) where it ends by itself.',
    'test: authenticates with {{value}}; a status of expect means accepted; 401 and 403 mean refused, and cannot be in expect.',
    'revoke: by {{id}}, {{value}}, {{name}} or another capture; 404 and 410 mean that it is gone.',
    'list, to make lost answers good: the API must let {{name}} be given in create, and list credentials with it; revoke must need no more than {{id}} and {{name}}.',
    'An adopted secret in plain text is revoked only where revoke needs nothing but {{value}}: else make it JSON with value and id.',
  ],
  overlap: 'Both are credentials of the API and work side by side until retirement.',
  proofOfDeath: 'The test request with the retired value is answered with 401 or 403.',
  limits: [
    'Templates are inserted percent-encoded into paths, as one line of ASCII into headers, and into strings of the body, never into its keys. What is inserted is not read for templates. There is no encoding such as Base64, and the body is JSON.',
    'Redirects are not followed, answers are read up to 1 MiB and for 15 s, and only JSON is read.',
    'Without list, or where revoke needs more than it tells, what a lost answer left behind cannot be found. Rekey asks for no second one: the rotation is rolled back, and the credential stays a debt in doubt under the name that it was given (rekey-<version>-<attempt>). Until a person has looked for that name at the API, revoked what is there and said so (rekey settle), people are told every hour; rotations go on meanwhile.',
    'A no to create (a status from 400 on) may be that of a proxy which has let the request through: with list, what it may have made is looked for by its name and revoked. Without list a no is believed, because else every refusal were such a debt.',
    'An answer to create with another status of success or redirection than expect has, or without what capture names, fails the rotation, and is not asked for again at once. What was made is revoked by its id where the answer has one, and by list; without list it is such a debt in any case.',
    'A value that test or revoke cannot be sent with (a line break that no header may have) fails the rotation in the same way. One that is stored all the same is ended by revoke, and dead once list shows its name no more (refused_login: false); without list it is a debt until a person says that it is dead (rekey settle).',
    'A credential that has ended by itself (expires_at) stops no rotation: one that comes too late replaces it. An answer to create whose expires_at has passed, or will within 2 minutes, cannot be used, and what was made is revoked: seconds of life (expires_in) are no expires_at.',
    'Retry-After of 429, and of 503 to other requests than create, is kept to.',
    'list is read once, one page: ask for a page that holds every credential, or filter by {{name}}.',
    'Without list, whether the administrator may create is found out by create.',
    'Parity is that the test request succeeds: let it ask for something that only the right permissions open.',
  ],
  testedAt: 'A server of Rekey’s repository.',
  example: `- name: "prod/billing/api-key"
  type: "http"
  rotation: "30_days"
  admin_secret: "prod/billing/administrator" # {"token":"…"}
  http:
    base_url: "https://api.billing.example.com/v1"
    create:
      method: POST
      path: "/api-keys"
      headers: { authorization: "Bearer {{admin.token}}" }
      body: { name: "{{name}}", scopes: ["invoices:read"] }
      expect: [201]
      capture: { value: "/data/secret", id: "/data/id", expires_at: "/data/expires_at" }
    test:
      method: GET
      path: "/invoices?limit=1"
      headers: { authorization: "Bearer {{value}}" }
      expect: [200]
    revoke:
      method: DELETE
      path: "/api-keys/{{id}}"
      headers: { authorization: "Bearer {{admin.token}}" }
      expect: [200, 204]
    list:
      method: GET
      path: "/api-keys?limit=1000"
      headers: { authorization: "Bearer {{admin.token}}" }
      expect: [200]
      items: "/data"
      id: "/id"
      name: "/name"`,
};
