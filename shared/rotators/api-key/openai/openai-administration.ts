import type OpenAI from 'openai';
import * as z from 'zod/mini';
import { AdminRefused, Misconfigured, type RekeyError, TransientFailure } from '../../../errors.ts';
import { SecretText } from '../../../redact.ts';
import type { KeyAdministration, ListedKey, MadeKey } from '../key-provider.ts';
import { type Asking, openaiFault, type Refusal, refusalOf, verdictOf } from './openai-faults.ts';
import type { Scopes } from './openai-scopes.ts';

/** https://developers.openai.com/api/reference: project API keys, list: 100 at most. */
const PAGE_SIZE = 100;
/** More keys than any project has: a server that goes on for ever does not hold us. */
const MOST_PAGES = 100;

const id = z.string().check(z.regex(/^[\w.:-]{1,256}$/));
const listedSchema = z.object({
  id,
  name: z.nullish(z.string()),
  redacted_value: z.nullish(z.string()),
  owner: z.object({ service_account: z.nullish(z.object({ id: z.string() })) }),
});
const pageSchema = z.object({ data: z.array(listedSchema), has_more: z.boolean() });
const madeSchema = z.object({
  id,
  value: z.string().check(z.regex(/^[\x21-\x7e]+$/)),
  expires_at: z.nullish(z.number()),
});
const removedSchema = z.object({ deleted: z.literal(true) });

/** A service account in its project. */
export interface ServiceAccount {
  readonly project: string;
  readonly serviceAccount: string;
}

/** The keys of one service account, with an admin key. The client retries nothing: a second create is a second key. */
export class OpenAIAdministration implements KeyAdministration {
  readonly owner: string;
  readonly facts: Readonly<Record<string, string>>;
  readonly #client: OpenAI;
  readonly #asking: (doing: string) => Asking;
  readonly #place: string;
  readonly #account: ServiceAccount;
  readonly #scopes: readonly string[] | undefined;
  readonly #expiresInSeconds: number | undefined;

  constructor(
    client: OpenAI,
    {
      place,
      asking,
      account,
      scopes,
      expiresInSeconds,
    }: {
      readonly place: string;
      readonly asking: (doing: string) => Asking;
      readonly account: ServiceAccount;
      readonly scopes: Scopes;
      /** `undefined`: keys are asked for without an end. */
      readonly expiresInSeconds: number | undefined;
    },
  ) {
    this.#client = client;
    this.#asking = asking;
    this.#place = place;
    this.#account = account;
    this.#scopes = scopes.scopes;
    this.#expiresInSeconds = expiresInSeconds;
    this.owner = `service account ${account.serviceAccount} of project ${account.project}`;
    this.facts = scopes.facts;
  }

  get #projects(): OpenAI['admin']['organization']['projects'] {
    return this.#client.admin.organization.projects;
  }

  async assertOwner(): Promise<void> {
    const { project: project_id, serviceAccount } = this.#account;
    await this.#answered('reading the service account', () =>
      this.#projects.serviceAccounts.retrieve(serviceAccount, { project_id }),
    );
  }

  async keys(): Promise<readonly ListedKey[]> {
    const { project, serviceAccount } = this.#account;
    const doing = 'listing the keys';
    const found: ListedKey[] = [];
    let after: string | undefined;
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      const query = {
        limit: PAGE_SIZE,
        ...(after === undefined ? {} : { after }),
        owner_project_access: 'any' as const,
      };
      const answer = await this.#answered(doing, async () => {
        // The SDK's own page takes an answer without a list for an empty list: then a key would seem to be gone.
        const response = await this.#projects.apiKeys.list(project, query).asResponse();
        return response.json();
      });
      const page = this.#readable(pageSchema, answer, doing);
      for (const { id, name, redacted_value, owner } of page.data) {
        if (owner.service_account?.id === serviceAccount)
          found.push({ id, name: name ?? '', redacted: redacted_value ?? '' });
      }
      after = page.data.at(-1)?.id;
      if (!page.has_more || after === undefined) return found;
    }
    throw new Misconfigured(
      `Project ${project} has more than ${MOST_PAGES * PAGE_SIZE} keys: Rekey does not look through them.`,
    );
  }

  async create(name: string): Promise<MadeKey> {
    const { project: project_id, serviceAccount } = this.#account;
    const doing = 'making a key';
    const asked = {
      ...(this.#scopes === undefined ? {} : { scopes: [...this.#scopes] }),
      ...(this.#expiresInSeconds === undefined ? {} : { expires_in_seconds: this.#expiresInSeconds }),
    };
    const answer = await this.#answered(
      doing,
      () => this.#projects.serviceAccounts.apiKeys.create(serviceAccount, { project_id, name, ...asked }),
      (refusal) => (refusal.status === 400 || refusal.status === 422 ? this.#makesNoSuch(refusal) : undefined),
    );
    const made = this.#readable(madeSchema, answer, doing);
    return {
      id: made.id,
      value: new SecretText(made.value),
      ...(made.expires_at == null ? {} : { expiresAt: new Date(made.expires_at * 1000) }),
    };
  }

  /** Whether it is about the end of keys is told by OpenAI's words only, which are looked at and not repeated. */
  #makesNoSuch({ status, code, message, isOwn }: Refusal): Misconfigured {
    const told = `HTTP ${status}${code === undefined ? '' : `, ${code}`}`;
    const isAboutEnd = /expir/i.test(`${code} ${message}`);
    const options = { madeNothing: isOwn };
    const declared =
      this.#expiresInSeconds === undefined
        ? 'keys must expire here: declare expires_in of the provider'
        : 'expires_in of the provider is longer than the policy of the organization or project allows';
    if (isAboutEnd) return new Misconfigured(`${this.#place} makes no such key (${told}): ${declared}.`, options);
    return new Misconfigured(
      `${this.#place} makes no such key (${told}): see permissions, and expires_in of the provider, where a policy of the organization or project demands that keys expire.`,
      options,
    );
  }

  async remove(id: string): Promise<'removed' | 'gone'> {
    const { project: project_id } = this.#account;
    const doing = 'deleting a key';
    let answer: unknown;
    try {
      answer = await this.#projects.apiKeys.delete(id, { project_id });
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal?.status === 404 && refusal.isOwn) return 'gone';
      throw this.#fault(error, doing);
    }
    this.#readable(removedSchema, answer, doing);
    return 'removed';
  }

  async #answered<Answer>(
    doing: string,
    ask: () => Promise<Answer>,
    meaning: (refusal: Refusal) => RekeyError | undefined = () => undefined,
  ): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      const refusal = refusalOf(error);
      throw (refusal === undefined ? undefined : meaning(refusal)) ?? this.#fault(error, doing);
    }
  }

  #fault(error: unknown, doing: string): RekeyError {
    const refusal = refusalOf(error);
    if (refusal === undefined) return openaiFault(error, this.#asking(doing));
    const { status, isOwn } = refusal;
    const verdict = verdictOf(refusal);
    const options = { madeNothing: isOwn };
    if (verdict === 'refused') {
      return new AdminRefused(`${this.#place} refused the admin key while ${doing}.`, options);
    }
    if (verdict === 'scope' || (verdict === undefined && status === 403 && isOwn)) {
      return new Misconfigured(
        `${this.#place} does not allow the admin key to go on with ${doing} (HTTP ${status}): it must be an admin key that may write the project's API keys.`,
        options,
      );
    }
    if (status === 404) {
      return new Misconfigured(`${this.#place} knows no ${this.owner} (HTTP 404, while ${doing}).`, options);
    }
    return openaiFault(error, this.#asking(doing));
  }

  /** Whatever it holds, an answer that cannot be read is not repeated: it may hold a key. */
  #readable<Schema extends z.ZodMiniType>(schema: Schema, answer: unknown, doing: string): z.infer<Schema> {
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    throw new TransientFailure(`${this.#place} answered what cannot be read while ${doing}.`);
  }
}
