import type { Clock } from '../clock.ts';
import { RekeyError } from '../errors.ts';
import type { ServeFile } from './serve-file.ts';

/** As long as nobody renews it: a follower that died leaves AWSCURRENT to OpenClaw. */
const ENTRY_SECONDS = 600;

/** What the follower needs of `openSecrets`. */
export interface FollowedSecrets {
  onReload(name: string, prove: (candidate: Candidate, context: { readonly signal: AbortSignal }) => unknown): unknown;
  health(): Readonly<Record<string, { readonly versionId: string | undefined }>>;
}

/** A value stays behind its `reveal()`, which nothing here calls. */
export interface Candidate {
  readonly name: string;
  readonly versionId: string;
}

export interface FollowerPorts {
  readonly secrets: FollowedSecrets;
  /** OpenClaw's ids of each secret. */
  readonly idsBySecret: ReadonlyMap<string, readonly string[]>;
  readonly serveFile: ServeFile;
  /** `reloadOpenClaw` for this gateway: rejects unless every id was served in its version. */
  readonly reload: (expect: Readonly<Record<string, string>>) => Promise<unknown>;
  readonly clock: Clock;
  readonly note: (sentence: string) => void;
}

/**
 * Carries a gateway of OpenClaw through rollouts, as the consumer that it cannot be itself. The candidate is not
 * AWSCURRENT while it is proved: so the provider is told to serve it, the gateway reloads, and only what it was seen to
 * take is acknowledged. A proof that fails is undone the same way, until the gateway was seen to have gone back.
 */
export class OpenClawFollower {
  readonly #ports: FollowerPorts;
  /** The secrets that a proof is under way for. */
  readonly #proving = new Set<string>();
  /** What the gateway may have although it should not. */
  readonly #owed = new Set<string>();

  constructor(ports: FollowerPorts) {
    this.#ports = ports;
    for (const name of ports.idsBySecret.keys()) {
      ports.secrets.onReload(name, (candidate, { signal }) => this.#prove(candidate, signal));
    }
  }

  /** Proves that the gateway has what this consumer says it holds; entries of an earlier follower count no more. */
  async start(): Promise<void> {
    const { secrets, idsBySecret, serveFile, reload } = this.#ports;
    const health = secrets.health();
    for (const name of idsBySecret.keys()) serveFile.delete(name);
    await reload(
      Object.fromEntries([...idsBySecret.keys()].flatMap((name) => this.#expected(name, health[name]?.versionId))),
    );
  }

  /** Renews what is served, and tries again what is owed. Called every minute or so; never rejects. */
  async tick(): Promise<void> {
    const { secrets, serveFile } = this.#ports;
    const health = secrets.health();
    for (const [name, { versionId }] of serveFile.read()) {
      if (!this.#ports.idsBySecret.has(name) || this.#proving.has(name)) continue;
      if (versionId === health[name]?.versionId) this.#serve(name, versionId);
      else serveFile.delete(name);
    }
    const owed = [...this.#owed].filter((name) => !this.#proving.has(name));
    for (const name of owed) await this.#goBack(name);
  }

  /** From now on AWSCURRENT is served. */
  stop(): void {
    for (const name of this.#ports.idsBySecret.keys()) this.#ports.serveFile.delete(name);
  }

  async #prove({ name, versionId }: Candidate, signal: AbortSignal): Promise<void> {
    this.#proving.add(name);
    try {
      this.#serve(name, versionId);
      await this.#ports.reload(Object.fromEntries(this.#expected(name, versionId)));
      signal.throwIfAborted();
      this.#owed.delete(name);
      this.#ports.note(`${name}: OpenClaw uses version ${versionId}.`);
    } catch (error) {
      this.#ports.note(`${name}: OpenClaw did not take version ${versionId}. ${sentenceOf(error)}`);
      await this.#goBack(name);
      throw error;
    } finally {
      this.#proving.delete(name);
    }
  }

  /** What failed may have reached the gateway all the same, and its key is about to end. */
  async #goBack(name: string): Promise<void> {
    const { secrets, serveFile, reload, note } = this.#ports;
    this.#owed.add(name);
    const versionId = secrets.health()[name]?.versionId;
    try {
      // A held version without a label any more is not served: then AWSCURRENT is.
      if (versionId === undefined) serveFile.delete(name);
      else this.#serve(name, versionId);
      await reload(Object.fromEntries(this.#expected(name, versionId)));
      this.#owed.delete(name);
      note(`${name}: OpenClaw uses version ${versionId ?? 'AWSCURRENT'} again.`);
    } catch (error) {
      note(`${name}: OpenClaw may use a version that is about to end; it is tried again. ${sentenceOf(error)}`);
    }
  }

  #serve(name: string, versionId: string): void {
    const expiresAt = new Date(this.#ports.clock.now().getTime() + ENTRY_SECONDS * 1000);
    this.#ports.serveFile.set(name, { versionId, expiresAt });
  }

  #expected(name: string, versionId: string | undefined): readonly (readonly [string, string])[] {
    if (versionId === undefined) return [];
    return (this.#ports.idsBySecret.get(name) ?? []).map((id) => [id, versionId] as const);
  }
}

function sentenceOf(error: unknown): string {
  return error instanceof RekeyError ? error.safeMessage : 'An unexpected fault.';
}
