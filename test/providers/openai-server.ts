import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { type Answer, type Asked, bearerOf, ProviderServer, type TlsIdentity } from './provider-server.ts';

const LONGEST_EXPIRY_SECONDS = 31_536_000;
const DEFAULT_PAGE = 20;
const LARGEST_PAGE = 100;

/** What a request needs: one of these scopes, or a key without restriction. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  'GET /models': ['api.all.read', 'api.model.read'],
  'GET /files': ['api.all.read', 'api.files.read'],
  'GET /batches': ['api.all.read', 'api.batch.read'],
  'GET /vector_stores': ['api.all.read', 'api.vector_stores.read'],
  'GET /fine_tuning/jobs': ['api.all.read', 'api.fine_tuning.jobs.read'],
  'POST /chat/completions': ['api.model.request'],
  'POST /responses': ['api.responses.write'],
};

/** OpenAI's errors call a scope otherwise than its reference. */
const TOLD: Readonly<Record<string, string>> = { 'api.model.request': 'model.request' };

export interface Place {
  readonly project: string;
  readonly serviceAccount: string;
}

interface ServiceAccount {
  readonly id: string;
  readonly project: string;
  role: 'member' | 'owner' | 'none';
}

interface Key {
  readonly id: string;
  readonly value: string;
  readonly name: string;
  readonly project: string;
  /** Absent: a user's. */
  readonly serviceAccount?: string;
  readonly scopes: readonly string[] | undefined;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly worksFrom: number;
  /** Not listed any more. */
  isDeleted: boolean;
  /** Deleted, and known everywhere to be so. */
  refusedFrom: number;
  lastUsedAt: number | null;
}

export interface OpenAIServerOptions {
  readonly clock?: Clock;
  readonly tls?: TlsIdentity;
  /** What is shown of a value. */
  readonly redact?: (value: string) => string;
  /** How long a new key is not known everywhere yet, and a deleted one still is. */
  readonly newSeconds?: number;
  readonly deletedSeconds?: number;
  /** How a missing scope is told. */
  readonly missingScope?: { readonly status: 401 | 403; readonly code: string | null };
  /** An organization whose policy is that keys expire. */
  readonly demandsExpiry?: boolean;
  /** Answers name the project of a key. */
  readonly namesProject?: boolean;
}

/**
 * The Administration API of OpenAI for project service accounts and project API keys, and a few requests that keys make,
 * as the API reference describes them: values told once, lists by page, scopes, deletion that takes its time to spread.
 */
export class OpenAIServer extends ProviderServer {
  readonly options: OpenAIServerOptions;
  /** Calls of models that were answered: each costs money. */
  readonly answered: string[] = [];
  readonly adminKey = `sk-admin-${randomBytes(48).toString('base64url')}`;
  /** May look, but not change. */
  readonly readingAdminKey = `sk-admin-${randomBytes(48).toString('base64url')}`;
  readonly #accounts = new Map<string, ServiceAccount>();
  readonly #keys: Key[] = [];

  private constructor(options: OpenAIServerOptions) {
    super(options.clock ?? systemClock, options.tls);
    this.options = options;
  }

  static async start(options: OpenAIServerOptions = {}): Promise<OpenAIServer> {
    return new OpenAIServer(options).listen();
  }

  get baseUrl(): string {
    return `${this.origin}/v1`;
  }

  /** A service account in a project of its own. */
  createAccount(role: ServiceAccount['role'] = 'member', project = id('proj')): Place {
    const serviceAccount = id('svc_acct');
    this.#accounts.set(serviceAccount, { id: serviceAccount, project, role });
    return { project, serviceAccount };
  }

  /** A key that somebody made by hand. */
  mint(
    { project, serviceAccount }: Pick<Place, 'project'> & Partial<Place>,
    {
      name = 'made by hand',
      scopes,
      value,
    }: { readonly name?: string; readonly scopes?: readonly string[]; readonly value?: string } = {},
  ): Key {
    const owner = serviceAccount === undefined ? {} : { serviceAccount };
    return this.#make({ project, ...owner, name, scopes, expiresAt: null, ...(value === undefined ? {} : { value }) });
  }

  /** Deletes a key as somebody at the dashboard does. */
  delete(keyId: string): void {
    const key = this.#keys.find(({ id }) => id === keyId);
    if (key === undefined) throw new Error('no such key');
    Object.assign(key, { isDeleted: true, refusedFrom: this.#now });
  }

  /** Keys of a service account that open the API now. */
  living({ serviceAccount }: Pick<Place, 'serviceAccount'>): readonly Key[] {
    return this.#keys.filter((key) => key.serviceAccount === serviceAccount && this.#isAlive(key));
  }

  key(keyId: string): Key | undefined {
    return this.#keys.find(({ id, isDeleted }) => id === keyId && !isDeleted);
  }

  isAlive(value: string): boolean {
    return this.#keys.some((key) => key.value === value && this.#isAlive(key));
  }

  protected override answer(asked: Asked): Answer {
    const elsewhere = ['openai-organization', 'openai-project'].some((name) => asked.headers[name] !== undefined);
    if (elsewhere)
      return refusal(401, { message: 'OpenAI-Organization header should match', code: 'mismatched_organization' });
    const path = asked.path.replace(/^\/v1/, '');
    if (path === asked.path) return refusal(404, { message: `Invalid URL (${asked.method} ${asked.path})` });
    const [, project, rest] = /^\/organization\/projects\/([\w-]+)\/(.+)$/.exec(path) ?? [];
    const answer =
      project !== undefined && rest !== undefined
        ? this.#administrate(asked, project, rest)
        : this.#asKey(asked, `${asked.method} ${path}`);
    return { ...answer, headers: { 'x-request-id': id('req'), 'openai-organization': 'org-test', ...answer.headers } };
  }

  #administrate(asked: Asked, project: string, rest: string): Answer {
    const bearer = bearerOf(asked) ?? '';
    const isChange = asked.method !== 'GET';
    if (bearer !== this.adminKey && bearer !== this.readingAdminKey) return this.#refused(bearer);
    if (isChange && bearer !== this.adminKey) return this.#missing('api.management.write');
    const [, keyId] = /^api_keys\/([\w-]+)$/.exec(rest) ?? [];
    const [, accountId, ofAccount] = /^service_accounts\/([\w-]+)(\/api_keys)?$/.exec(rest) ?? [];
    const account = this.#accounts.get(accountId ?? '');
    const isThere = account?.project === project;
    if (asked.method === 'GET' && rest === 'api_keys') return this.#list(asked, project);
    if (asked.method === 'DELETE' && keyId !== undefined) return this.#delete(keyId, project);
    if (accountId === undefined || !isThere)
      return refusal(404, { message: 'No such project or service account.', code: 'not_found' });
    if (asked.method === 'POST' && ofAccount !== undefined) return this.#create(asked, account);
    if (asked.method === 'GET' && ofAccount === undefined) {
      const object = 'organization.project.service_account';
      return { status: 200, body: { object, id: accountId, name: 'app', role: account.role, created_at: 0 } };
    }
    return refusal(404, { message: 'Not found' });
  }

  #list({ query }: Asked, project: string): Answer {
    const limit = Number(query.get('limit') ?? DEFAULT_PAGE);
    if (!(limit >= 1 && limit <= LARGEST_PAGE)) return refusal(400, { message: 'limit', code: 'invalid_limit' });
    // Without the filter, rules of membership apply: a service account without a role is not seen.
    const isSeen = ({ serviceAccount }: Key) =>
      query.has('owner_project_access') || this.#accounts.get(serviceAccount ?? '')?.role !== 'none';
    const listed = this.#keys.filter((key) => key.project === project && !key.isDeleted && isSeen(key));
    const after = query.get('after');
    const from = after === null ? 0 : listed.findIndex((key) => key.id === after) + 1;
    const page = listed.slice(from, from + limit);
    return {
      status: 200,
      body: {
        object: 'list',
        data: page.map((key) => this.#shown(key)),
        has_more: from + limit < listed.length,
        first_id: page.at(0)?.id ?? null,
        last_id: page.at(-1)?.id ?? null,
      },
    };
  }

  #create({ body }: Asked, { id: serviceAccount, project }: ServiceAccount): Answer {
    const {
      name = '',
      scopes,
      expires_in_seconds: seconds,
    } = (body ?? {}) as {
      name?: string;
      scopes?: string[];
      expires_in_seconds?: number | null;
    };
    if (scopes?.some((scope) => !/^(?:api|model)(?:\.\w+)+$/.test(scope)) === true) {
      return refusal(400, { message: `Invalid scopes: ${scopes.join()}`, code: 'invalid_scopes' });
    }
    if (seconds != null && !(seconds >= 1 && seconds <= LONGEST_EXPIRY_SECONDS))
      return refusal(400, { message: 'expires_in_seconds' });
    if (seconds == null && this.options.demandsExpiry === true) {
      return refusal(400, {
        message: 'The policy of the organization requires an expiration.',
        code: 'expiration_required',
      });
    }
    const createdAt = Math.floor(this.#now / 1000);
    const key = this.#make({
      project,
      serviceAccount,
      name,
      scopes,
      expiresAt: seconds == null ? null : createdAt + seconds,
    });
    return {
      status: 200,
      body: {
        object: 'organization.project.service_account.api_key',
        id: key.id,
        name,
        created_at: createdAt,
        value: key.value,
        expires_at: key.expiresAt,
      },
    };
  }

  #delete(keyId: string, project: string): Answer {
    const key = this.key(keyId);
    if (key?.project !== project) return refusal(404, { message: `No such key: ${keyId}`, code: 'not_found' });
    Object.assign(key, { isDeleted: true, refusedFrom: this.#now + (this.options.deletedSeconds ?? 0) * 1000 });
    return { status: 200, body: { object: 'organization.project.api_key.deleted', id: keyId, deleted: true } };
  }

  #asKey(asked: Asked, route: string): Answer {
    const bearer = bearerOf(asked) ?? '';
    const key = this.#keys.find(({ value }) => value === bearer);
    if (key === undefined || !this.#isAlive(key)) return this.#refused(bearer);
    const needed = NEEDS[route];
    if (needed === undefined) return refusal(404, { message: `Invalid URL (${route})` });
    if (key.scopes !== undefined && !key.scopes.some((scope) => needed.includes(scope))) {
      const scope = needed.at(-1) ?? '';
      return this.#missing(TOLD[scope] ?? scope);
    }
    key.lastUsedAt = Math.floor(this.#now / 1000);
    if (asked.method === 'POST' && !Object.hasOwn(asked.body ?? {}, 'model')) {
      return refusal(400, { message: 'you must provide a model parameter' });
    }
    if (asked.method === 'POST') this.answered.push(route);
    const body = asked.method === 'GET' ? { object: 'list', data: [], has_more: false } : { object: 'chat.completion' };
    const headers: Record<string, string> =
      this.options.namesProject === false ? {} : { 'openai-project': key.project };
    return { status: 200, body, headers };
  }

  #shown({ id, name, value, createdAt, lastUsedAt, expiresAt, serviceAccount }: Key): object {
    const { redact = (text: string) => `${text.slice(0, 6)}...${text.slice(-4)}` } = this.options;
    const account = serviceAccount === undefined ? undefined : this.#accounts.get(serviceAccount);
    return {
      object: 'organization.project.api_key',
      id,
      name,
      redacted_value: redact(value),
      created_at: createdAt,
      last_used_at: lastUsedAt,
      expires_at: expiresAt,
      owner_project_access: 'active',
      owner:
        account === undefined
          ? {
              type: 'user',
              user: { id: 'user_1', name: 'Someone', email: 'someone@example.com', role: 'member', created_at: 0 },
            }
          : {
              type: 'service_account',
              service_account: { id: account.id, name: 'app', role: account.role, created_at: 0 },
            },
    };
  }

  #make(
    key: Pick<Key, 'project' | 'name' | 'scopes' | 'expiresAt'> & Partial<Pick<Key, 'serviceAccount' | 'value'>>,
  ): Key {
    const { newSeconds = 0 } = this.options;
    const made: Key = {
      value: `sk-svcacct-${randomBytes(90).toString('base64url')}`,
      ...key,
      id: id('key'),
      createdAt: Math.floor(this.#now / 1000),
      worksFrom: newSeconds === 0 ? 0 : this.#now + newSeconds * 1000,
      isDeleted: false,
      refusedFrom: Number.POSITIVE_INFINITY,
      lastUsedAt: null,
    };
    this.#keys.push(made);
    return made;
  }

  #isAlive({ worksFrom, refusedFrom, expiresAt }: Key): boolean {
    const now = this.#now;
    return worksFrom <= now && now < refusedFrom && (expiresAt === null || now < expiresAt * 1000);
  }

  /** OpenAI repeats part of what it was given. */
  #refused(bearer: string): Answer {
    const shown = `${bearer.slice(0, 8)}${'*'.repeat(Math.max(0, bearer.length - 12))}${bearer.slice(-4)}`;
    const message = `Incorrect API key provided: ${shown}. You can find your API key at https://platform.openai.com/account/api-keys.`;
    return refusal(401, { message, code: 'invalid_api_key' });
  }

  #missing(scope: string): Answer {
    const { status, code } = this.options.missingScope ?? { status: 403, code: 'missing_scope' };
    const message = `You have insufficient permissions for this operation. Missing scopes: ${scope}. Check that you have the correct role in your organization, and if you're using a restricted API key, that it has the necessary scopes.`;
    return refusal(status, { message, code });
  }

  get #now(): number {
    return this.clock.now().getTime();
  }
}

function refusal(
  status: number,
  { message, code = null }: { readonly message: string; readonly code?: string | null },
): Answer {
  return { status, body: { error: { message, type: 'invalid_request_error', param: null, code } } };
}

function id(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString('hex')}`;
}
