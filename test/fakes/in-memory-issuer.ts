import {
  IncumbentRefused,
  OrphanInDoubt,
  SameAsSurvivor,
  SlotOccupied,
  TransientFailure,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import type {
  IssuedRotator,
  IssueInput,
  IssueReport,
  KnownCredential,
  Preflight,
  PreflightInput,
  RetireInput,
  RetireReport,
  TestReport,
} from '../../shared/rotators/rotator.ts';

interface Key {
  readonly value: string;
  isUsed: boolean;
}

/** So many keys for each user (two, like IAM), no names for them, values told once: an issuing provider like IAM, and its rotator. */
export class InMemoryIssuer implements IssuedRotator {
  readonly type = 'iam';
  readonly kind = 'issued';
  readonly overlap = true;
  readonly #keys: Map<string, Map<string, Key>>;
  readonly #user: string;
  readonly #most: number;

  constructor(keys: Map<string, Map<string, Key>>, user: string, most = 2) {
    this.#keys = keys;
    this.#user = user;
    this.#most = most;
  }

  get #mine(): Map<string, Key> {
    const mine = this.#keys.get(this.#user) ?? new Map<string, Key>();
    this.#keys.set(this.#user, mine);
    return mine;
  }

  /** A key made by hand, and the value that a secret has for it. */
  seed(): string {
    return this.#make().value;
  }

  ids(): readonly string[] {
    return [...this.#mine.keys()];
  }

  idOf(value: string): string | undefined {
    return [...this.#mine].find(([, key]) => key.value === value)?.[0];
  }

  use(value: string): void {
    const key = this.#mine.get(this.idOf(value) ?? '');
    if (key === undefined) throw new Error('refused');
    key.isUsed = true;
  }

  async preflight({ incumbent, known, versionId }: PreflightInput): Promise<Preflight> {
    const id = incumbent === undefined ? undefined : this.idOf(incumbent.reveal());
    if (incumbent !== undefined && id === undefined) throw new IncumbentRefused('The incumbent is refused.');
    const isRetry = known.some((entry) => entry.versionId === versionId && entry.issuance !== undefined);
    if (this.#mine.size >= this.#most && !isRetry)
      throw new SlotOccupied(`Keys stand in the way: ${this.ids().join(', ')}.`);
    return { candidate: `new key of ${this.#user} (${versionId})`, incumbent: id, facts: {}, existing: this.ids() };
  }

  async issue(input: IssueInput): Promise<IssueReport> {
    if (input.issuance.attempts > 1) this.#removeLost(input.issuance.existing, input.versionId, input.known);
    if (this.#mine.size >= this.#most) throw new TransientFailure('There are as many keys as there may be.');
    const { id, value } = this.#make();
    return { identity: id, value: new SecretText(value), facts: {} };
  }

  async test(): Promise<TestReport> {
    return { healthy: 1, parity: ['user'] };
  }

  async probe(value: SecretText): Promise<'accepted' | 'refused'> {
    return this.idOf(value.reveal()) === undefined ? 'refused' : 'accepted';
  }

  async release(): Promise<void> {
    // Keeps nothing open.
  }

  async retire({ identity, versionId, value, survivor, known = [] }: RetireInput): Promise<RetireReport> {
    if (survivor !== undefined && this.idOf(survivor.reveal()) === identity) {
      throw new SameAsSurvivor(`Key ${identity} is the one that must go on working.`);
    }
    const issuance = known.find((entry) => entry.versionId === versionId)?.issuance;
    if (value === undefined && issuance !== undefined) this.#removeLost(issuance.existing, versionId, known);
    else this.#mine.delete(identity);
    return { refusedLogin: value !== undefined, endedSessions: 0, facts: {} };
  }

  #removeLost(existing: readonly string[], versionId: string, known: readonly KnownCredential[]): void {
    const others = known.filter((entry) => entry.versionId !== versionId).map(({ identity }) => identity);
    for (const [id, { isUsed }] of this.#mine) {
      if (existing.includes(id) || others.includes(id)) continue;
      if (isUsed) throw new OrphanInDoubt(`Key ${id} may be somebody else's.`);
      this.#mine.delete(id);
    }
  }

  #make(): { readonly id: string; readonly value: string } {
    const id = `KEY${crypto.randomUUID()}`;
    const value = crypto.randomUUID();
    this.#mine.set(id, { value, isUsed: false });
    return { id, value };
  }
}
