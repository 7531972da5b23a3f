import * as z from 'zod/mini';
import { Misconfigured } from '../../errors.ts';
import { SecretText } from '../../redact.ts';
import { assertHeldOnce, parseJsonObject } from '../json-secret.ts';

/** As the IAM API, the SDKs' credential objects and the shared credentials file spell an access key. */
const SPELLINGS = [
  { id: 'AccessKeyId', secret: 'SecretAccessKey', token: 'SessionToken' },
  { id: 'accessKeyId', secret: 'secretAccessKey', token: 'sessionToken' },
  { id: 'aws_access_key_id', secret: 'aws_secret_access_key', token: 'aws_session_token' },
] as const;
type Spelling = (typeof SPELLINGS)[number];

/**
 * 16 to 128 characters, as AKIAIOSFODNN7EXAMPLE: capitals and digits, so that no secret access key passes for one, and its
 * text is never repeated. https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html
 */
const KEY_ID = /^[A-Z][A-Z0-9]{15,127}$/;
/** The id of a temporary credential: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes */
const TEMPORARY = 'ASIA';

const keySchema = z.object({
  id: z.string().check(z.regex(KEY_ID)),
  secret: z.string().check(z.minLength(1)),
});

export interface AccessKey {
  readonly id: string;
  readonly secret: SecretText;
}

/** An access key in a secret's JSON. */
export interface StoredKey extends AccessKey {
  readonly spelling: Spelling;
  /** As it was, with every key. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** Whether an identity is a key's own id, and not what stands for a key that is yet to be made. */
export function isKeyId(identity: string): boolean {
  return KEY_ID.test(identity);
}

/** Reads a secret that holds one access key. Throws `Misconfigured` that names keys of the JSON, never what they hold. */
export function parseAccessKey(value: SecretText, holder: string): StoredKey {
  const json = parseJsonObject(value, holder);
  const spellings = SPELLINGS.filter(({ id, secret }) => Object.hasOwn(json, id) || Object.hasOwn(json, secret));
  const [spelling, another] = spellings;
  if (spelling === undefined) {
    throw new Misconfigured(`The ${holder}'s secret holds no access key: AccessKeyId and SecretAccessKey are missing.`);
  }
  if (another !== undefined) {
    throw new Misconfigured(
      `The ${holder}'s secret holds an access key in two spellings, ${spelling.id} and ${another.id}: leave one.`,
    );
  }
  const parsed = keySchema.safeParse({ id: json[spelling.id], secret: json[spelling.secret] });
  if (!parsed.success) {
    const keys = new Set(parsed.error.issues.map(({ path }) => spelling[path[0] === 'id' ? 'id' : 'secret']));
    throw new Misconfigured(`In the ${holder}'s secret ${[...keys].join(' and ')} is missing or of a wrong form.`);
  }
  const { id, secret } = parsed.data;
  const token = json[spelling.token];
  if (id.startsWith(TEMPORARY) || (token !== undefined && token !== null && token !== '')) {
    throw new Misconfigured(
      `The ${holder}'s secret holds a temporary credential (${spelling.token}), not an access key of a user.`,
    );
  }
  return { id, secret: new SecretText(secret), spelling, json };
}

/** Throws `Misconfigured` where the JSON holds the key in another place too (a URL, a file). */
export function assertKeyOnce({ json, spelling, id, secret }: StoredKey): void {
  const changed = [spelling.id, spelling.secret];
  assertHeldOnce(json, { holder: 'incumbent', what: 'the access key', texts: [secret.reveal(), id], changed });
}

/** The incumbent's JSON with another key, in its spelling; every other key is carried over as it was. */
export function candidateJson(
  incumbent: StoredKey | undefined,
  { id, secret }: AccessKey,
  UserName: string,
): SecretText {
  const made = secret.reveal();
  if (incumbent === undefined) {
    return new SecretText(JSON.stringify({ AccessKeyId: id, SecretAccessKey: made, UserName }));
  }
  const { spelling, json } = incumbent;
  return new SecretText(JSON.stringify({ ...json, [spelling.id]: id, [spelling.secret]: made }));
}
