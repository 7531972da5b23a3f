import type { Clock } from '../../clock.ts';
import type { HttpDeclaration } from '../../config/declaration.ts';
import { Misconfigured } from '../../errors.ts';
import type { SecretText } from '../../redact.ts';
import type { RotatorSettings } from '../rotator.ts';
import { answerFault, isRefusal } from './answer-faults.ts';
import { checkHttpDeclaration } from './check-declaration.ts';
import type { StoredCredential } from './credential-value.ts';
import { render, type RenderedRequest } from './render.ts';
import { type Answer, type Limits, send } from './transport.ts';
import { isAdminWord, type RequestName, wordsOf } from './vocabulary.ts';
import { adminWords, eitherOf, type Words } from './words.ts';

/** One secret's API, as declared, with who administers it. */
export interface Api {
  readonly declaration: HttpDeclaration;
  readonly settings: RotatorSettings;
  readonly admin: SecretText | undefined;
  readonly clock: Clock;
  readonly limits: Partial<Limits>;
}

/** What each call of the rotator needs besides the secret at hand. */
export interface HttpDependencies {
  readonly clock: Clock;
  /** Time limits; for tests. */
  readonly limits?: Partial<Limits>;
}

/** Throws `Misconfigured` for a declaration that is missing or has problems; nothing has been sent then. */
export function apiOf(
  settings: RotatorSettings,
  admin: SecretText | undefined,
  { clock, limits = {} }: HttpDependencies,
): Api {
  const { http: declaration, secretId } = settings;
  if (declaration === undefined) throw new Misconfigured(`"${secretId}" has no http: in secrets.yaml, which says how.`);
  const [problem, ...more] = checkHttpDeclaration(declaration);
  if (problem !== undefined) {
    const rest = more.length === 0 ? '' : ` (and ${more.length} more)`;
    throw new Misconfigured(`In the http: of "${secretId}", ${problem}${rest}`);
  }
  return { declaration, settings, admin, clock, limits };
}

/** Fills a request with what is known of the credential, and with the administrator's secret where it says so. */
export function prepare({ declaration, settings, admin }: Api, name: RequestName, words: Words): RenderedRequest {
  const request = declaration[name];
  if (request === undefined) throw new Misconfigured(`"${settings.secretId}" has no http.${name}.`);
  return render(name, request, eitherOf(adminWords(admin, settings.secretId), words));
}

export function transmit({ declaration, limits }: Api, request: RenderedRequest): Promise<Answer> {
  const { baseUrl, certificateAuthority } = declaration;
  return send({ baseUrl, certificateAuthority }, request, limits);
}

/** Sends a request and answers what came back with an expected status; throws the fault that any other status means. */
export async function ask(api: Api, name: RequestName, words: Words): Promise<Answer> {
  const request = prepare(api, name, words);
  const answer = await transmit(api, request);
  if (request.expect.includes(answer.status)) return answer;
  throw faultOf(api, request, answer);
}

/** `madeNothing: false`: whatever the status says, what was asked for may have been done. */
export function faultOf(api: Api, request: RenderedRequest, answer: Answer, options: { madeNothing?: false } = {}) {
  return answerFault(request, answer, { asAdmin: asAdmin(api, request.name), now: api.clock.now(), ...options });
}

/** One use of exactly this value: the test request. */
export async function opens(api: Api, { words }: StoredCredential): Promise<'accepted' | 'refused'> {
  const request = prepare(api, 'test', words);
  const answer = await transmit(api, request);
  if (request.expect.includes(answer.status)) return 'accepted';
  if (isRefusal(answer.status)) return 'refused';
  throw faultOf(api, request, answer);
}

/** Why the test request can never be sent with a value, so that nobody is ever refused with it; `undefined` where it can. */
export function untriable(api: Api, { words }: StoredCredential): string | undefined {
  try {
    prepare(api, 'test', words);
    return undefined;
  } catch (error) {
    if (error instanceof Misconfigured) return error.safeMessage;
    throw error;
  }
}

function asAdmin({ declaration }: Api, name: RequestName): boolean {
  const request = declaration[name];
  return request !== undefined && wordsOf(request).some(isAdminWord);
}
