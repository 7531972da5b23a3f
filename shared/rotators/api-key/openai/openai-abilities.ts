import type OpenAI from 'openai';
import type { Abilities } from '../key-provider.ts';
import { type Asking, isUnpaid, openaiFault, refusalOf, verdictOf } from './openai-faults.ts';

interface Trial {
  readonly path: string;
  /** Of a request that calls a model: what is missing in it, or cannot be, so that nothing is made and nothing paid. */
  readonly body?: object;
  readonly query?: Readonly<Record<string, number>>;
}

/**
 * Requests that change nothing and cost nothing. Lists are free. A call of a model without its input is answered with 400
 * once the key has been let in: `model` and `messages` are required of one, `max_output_tokens` is 16 at least of the other.
 */
const TRIALS: Readonly<Record<string, Trial>> = {
  'reading models': { path: '/models' },
  'reading files': { path: '/files', query: { limit: 1 } },
  'reading batches': { path: '/batches', query: { limit: 1 } },
  'reading vector_stores': { path: '/vector_stores', query: { limit: 1 } },
  'reading fine_tuning/jobs': { path: '/fine_tuning/jobs', query: { limit: 1 } },
  'calling models': { path: '/chat/completions', body: {} },
  'making responses': { path: '/responses', body: { max_output_tokens: 0 } },
};

/** Of what is tried (everything, or `only` some), whether the key may do it; `undefined` where it is refused. */
export async function abilities(
  client: OpenAI,
  asking: Asking,
  only?: readonly string[],
): Promise<Abilities | undefined> {
  const found: Record<string, boolean | number> = {};
  for (const [name, trial] of Object.entries(TRIALS)) {
    if (only?.includes(name) === false) continue;
    const answer = await ability(client, trial, asking);
    if (answer === undefined) return undefined;
    found[name] = answer;
  }
  return found;
}

async function ability(
  client: OpenAI,
  { path, body, query = {} }: Trial,
  asking: Asking,
): Promise<boolean | number | undefined> {
  try {
    await (body === undefined ? client.get(path, { query }) : client.post(path, { body }));
    return true;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw openaiFault(error, asking);
    const verdict = verdictOf(refusal);
    if (verdict === 'refused') return undefined;
    if (verdict === 'scope') return false;
    // The key was let in, and its request read.
    const { status, message } = refusal;
    if (body !== undefined && (status === 400 || status === 422) && message !== undefined) return true;
    if (isUnpaid(refusal)) return true;
    if (verdict !== undefined || status >= 500 || status === 429) throw openaiFault(error, asking);
    return status;
  }
}
