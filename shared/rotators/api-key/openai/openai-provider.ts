import OpenAI, { type ClientOptions } from 'openai';
import * as z from 'zod/mini';
import { Misconfigured, TransientFailure } from '../../../errors.ts';
import type { SecretText } from '../../../redact.ts';
import { providerAddress } from '../../provider-api/provider-address.ts';
import type { RotatorSettings } from '../../rotator.ts';
import { parseAdminKey } from '../admin-key.ts';
import type { KeyAdministration, KeyProvider, TriedKey } from '../key-provider.ts';
import type { ProviderTools } from '../providers.ts';
import { abilities } from './openai-abilities.ts';
import { OpenAIAdministration, type ServiceAccount } from './openai-administration.ts';
import { type Asking, isUnpaid, openaiFault, refusalOf, verdictOf } from './openai-faults.ts';
import { parseScopes, promisedBy } from './openai-scopes.ts';

const OPENAI = 'https://api.openai.com/v1';

const listSchema = z.object({ data: z.array(z.unknown()) });

/** OpenAI: keys of one service account in one project. */
export function openaiProvider(settings: RotatorSettings, tools: ProviderTools): KeyProvider {
  const baseURL = providerAddress(settings.provider?.baseUrl, OPENAI);
  const place = new URL(baseURL).host;
  const asking = (doing: string): Asking => ({ place, doing, now: tools.clock.now() });
  const asKey = (value: SecretText) => client({ apiKey: value.reveal() }, baseURL, tools);
  return {
    place,
    tryKey: (value) => tryKey(asKey(value), asking('trying a key')),
    abilities: (value, only) => abilities(asKey(value), asking('comparing keys'), only),
    promised: () => promisedBy(settings.permissions),
    administration: (admin) =>
      administration(admin, settings, (adminAPIKey) => client({ adminAPIKey }, baseURL, tools), { place, asking }),
  };
}

/**
 * The SDK without its environment. For `OPENAI_CUSTOM_HEADERS` it has no option: another project, even another key, would
 * be put into every request, so what it has read there is dropped again.
 */
class DeclaredClient extends OpenAI {
  constructor(options: ClientOptions) {
    super(options);
    this._options = { ...this._options, defaultHeaders: undefined };
  }
}

/** Everything else that the SDK would take from the environment is said, and it tries once, and prints nothing. */
function client(
  credential: { readonly apiKey: string } | { readonly adminAPIKey: string },
  baseURL: string,
  { fetch }: ProviderTools,
): OpenAI {
  const nobody = { apiKey: null, adminAPIKey: null, organization: null, project: null, webhookSecret: null };
  return new DeclaredClient({ ...nobody, ...credential, baseURL, fetch, maxRetries: 0, logLevel: 'off' });
}

async function tryKey(client: OpenAI, asking: Asking): Promise<TriedKey | undefined> {
  const { place, doing } = asking;
  try {
    const response = await client.models.list().asResponse();
    // Some other server, or a gateway's page. (The SDK's own reading takes an answer without a list for an empty list.)
    if (!listSchema.safeParse(await response.json()).success) {
      throw new TransientFailure(`${place} answered what cannot be read while ${doing}.`);
    }
    const project = response.headers.get('openai-project');
    return project !== null && /^proj_\w{1,128}$/.test(project) ? { belongsTo: `project ${project}` } : {};
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw openaiFault(error, asking);
    const verdict = verdictOf(refusal);
    if (verdict === 'refused') return undefined;
    if (verdict === 'scope' || isUnpaid(refusal)) return {};
    if (refusal.status === 404)
      throw new Misconfigured(`${place} is no OpenAI API at this path (HTTP 404): base_url ends with /v1.`);
    throw openaiFault(error, asking);
  }
}

function administration(
  admin: SecretText | undefined,
  settings: RotatorSettings,
  open: (adminAPIKey: string) => OpenAI,
  { place, asking }: { readonly place: string; readonly asking: (doing: string) => Asking },
): KeyAdministration {
  const account = accountOf(settings);
  const scopes = parseScopes(settings.permissions);
  const { scope } = settings;
  const facts = {
    ...scopes.facts,
    ...(scope === undefined || scope.trim().toLowerCase() === 'service'
      ? {}
      : { scope: 'narrows nothing at OpenAI: a key is its service account, within permissions' }),
  };
  const key = parseAdminKey(admin, settings.secretId);
  const expiresInSeconds = settings.provider?.expiresInSeconds;
  const work = { place, asking, account, scopes: { ...scopes, facts }, expiresInSeconds };
  return new OpenAIAdministration(open(key.reveal()), work);
}

function accountOf({ provider, secretId }: RotatorSettings): ServiceAccount {
  const { project, serviceAccount } = provider ?? {};
  const isName = (name: string | undefined): name is string => name !== undefined && /^[\w-]{1,128}$/.test(name);
  if (isName(project) && isName(serviceAccount)) return { project, serviceAccount };
  throw new Misconfigured(
    `provider of "${secretId}" must name the project (proj_…) and the service_account (svc_acct_…) whose keys rotate.`,
  );
}
