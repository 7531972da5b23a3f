import { type Clock, systemClock } from '../../shared/clock.ts';
import { SecretText } from '../../shared/redact.ts';
import { apiKeyRotator } from '../../shared/rotators/api-key/api-key-rotator.ts';
import type { IssuedRotator } from '../../shared/rotators/rotator.ts';
import { OpenAIServer, type OpenAIServerOptions, type Place } from '../providers/openai-server.ts';
import type { Accounted, Adopted, TargetHarness } from './target-harness.ts';

/** For the suites that all rotators share. */
export async function openApiKey(): Promise<ApiKeyHarness> {
  return ApiKeyHarness.start();
}

interface World extends Place {
  /** Keys of others in the same places: never to be touched. */
  readonly foreign: readonly string[];
}

/** Every secret has a service account of its own, at a server that keeps OpenAI's published rules. */
export class ApiKeyHarness implements TargetHarness {
  readonly type = 'api_key';
  readonly server: OpenAIServer;
  readonly #worlds = new Map<string, World>();

  private constructor(server: OpenAIServer) {
    this.server = server;
  }

  static async start(options: OpenAIServerOptions = {}): Promise<ApiKeyHarness> {
    return new ApiKeyHarness(await OpenAIServer.start(options));
  }

  world(name: string): World {
    const found = this.#worlds.get(name);
    if (found === undefined) throw new Error('not adopted');
    return found;
  }

  async adopt(name: string, incumbent?: (place: Place) => string): Promise<Adopted> {
    const { server } = this;
    const place = server.createAccount();
    const neighbour = server.createAccount('member', place.project);
    const foreign = [
      server.mint(place, { name: 'of a colleague' }),
      server.mint({ project: place.project }, { name: 'of a user' }),
      server.mint(neighbour, { name: 'rekey of-another-secret 1' }),
    ].map(({ id }) => id);
    this.#worlds.set(name, { ...place, foreign });
    const value = incumbent?.(place) ?? JSON.stringify({ api_key: server.mint(place).value, team: 'data' });
    return {
      name,
      declared: { provider: { ...place, baseUrl: server.baseUrl } },
      incumbent: new SecretText(value),
      admin: new SecretText(server.adminKey),
    };
  }

  /** The server's time is that of the last rotator that was asked for. */
  rotator(clock: Clock = systemClock, answerMilliseconds?: number): IssuedRotator {
    this.server.clock = clock;
    return apiKeyRotator({ clock, ...(answerMilliseconds === undefined ? {} : { answerMilliseconds }) });
  }

  async state({ name }: Adopted): Promise<string> {
    const world = this.world(name);
    const keys = this.server.living(world).map(({ id, name, scopes }) => ({ id, name, scopes }));
    return JSON.stringify({ keys, foreign: world.foreign.map((id) => this.server.key(id) !== undefined) });
  }

  async unaccounted({ name }: Adopted, accounted: readonly Accounted[]): Promise<readonly string[]> {
    const world = this.world(name);
    const known = accounted.flatMap(({ value }) => (value === undefined ? [] : [keyOf(value)]));
    const unknown = this.server
      .living(world)
      .filter(({ id, value }) => !world.foreign.includes(id) && !known.includes(value));
    const touched = world.foreign.filter((id) => this.server.key(id) === undefined);
    return [
      ...unknown.map(({ id, name }) => `${id} (${name})`),
      ...touched.map((id) => `deleted, although of others: ${id}`),
    ];
  }

  async use(value: SecretText): Promise<void> {
    const headers = { authorization: `Bearer ${keyOf(value)}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ model: 'gpt-test', messages: [] });
    const { status } = await fetch(`${this.server.baseUrl}/chat/completions`, { method: 'POST', headers, body });
    if (status !== 200) throw new Error(`HTTP ${status}`);
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

export function keyOf(value: SecretText): string {
  const text = value.reveal();
  if (!text.startsWith('{')) return text;
  const { api_key, apiKey } = JSON.parse(text) as { api_key?: string; apiKey?: string };
  return api_key ?? apiKey ?? '';
}
