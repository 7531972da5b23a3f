import { createPrivateKey, type KeyObject } from 'node:crypto';
import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import { numberIn, parseLossless } from '../lossless-json.ts';
import type { RotatorSettings } from '../rotator.ts';

/** A GitHub App that may act on one installation. */
export interface App {
  readonly appId: number;
  readonly installationId: number;
  readonly key: KeyObject;
}

const pem = z.string().check(z.minLength(1));
const adminSchema = z.looseObject({
  private_key: z.optional(pem),
  privateKey: z.optional(pem),
  app_id: z.optional(z.pipe(z.transform(numberIn), z.coerce.number().check(z.int(), z.positive()))),
});

/**
 * The App whose private key is the administrator's secret: PEM text, or JSON with `private_key` (or `privateKey`) and,
 * if it likes, `app_id`. Throws `Misconfigured` that names keys, never what they hold.
 */
export function parseApp(admin: SecretText | undefined, { provider, secretId }: RotatorSettings): App {
  const installationId = provider?.installationId;
  if (installationId === undefined) {
    throw new Misconfigured(
      `provider of "${secretId}" must name the installation of the GitHub App (installation_id).`,
    );
  }
  if (admin === undefined) {
    throw new Misconfigured(
      `Declare admin_secret for "${secretId}": the secret with the private key of the GitHub App.`,
    );
  }
  const { text, appId: own } = readAdmin(admin);
  const appId = provider?.appId ?? own;
  if (appId === undefined) throw new Misconfigured(`provider of "${secretId}" must name the GitHub App (app_id).`);
  if (own !== undefined && own !== appId) {
    throw new Misconfigured(`The administrator's secret is of App ${own}, but provider names App ${appId}.`);
  }
  return { appId, installationId, key: parseKey(text) };
}

function readAdmin(admin: SecretText): { readonly text: string; readonly appId?: number } {
  const text = admin.reveal().trim();
  if (!text.startsWith('{')) return { text };
  const parsed = adminSchema.safeParse(parseLossless(text));
  const found = parsed.data?.private_key ?? parsed.data?.privateKey;
  if (found === undefined) {
    throw new Misconfigured(
      "The administrator's secret is JSON without a private_key (PEM text), or with an app_id that is no number.",
    );
  }
  const appId = parsed.data?.app_id;
  return { text: found, ...(appId === undefined ? {} : { appId }) };
}

function parseKey(text: string): KeyObject {
  let key: KeyObject;
  try {
    // Keys that once were environment variables have their line ends escaped.
    key = createPrivateKey(text.replaceAll('\\n', '\n'));
  } catch {
    throw new Misconfigured(
      "The administrator's secret holds no private key in PEM form (PKCS#1 or PKCS#8, not encrypted).",
    );
  }
  if (key.asymmetricKeyType !== 'rsa')
    throw new Misconfigured('The private key of a GitHub App is an RSA key; this one is not.');
  return key;
}
