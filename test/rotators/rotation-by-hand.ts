import type { SecretText } from '../../shared/redact.ts';
import { hasMadeNothing } from '../../shared/rotation/bring-in.ts';
import type {
  Issuance,
  KnownCredential,
  Preflight,
  RetireReport,
  Rotator,
  RotatorSettings,
  TestReport,
} from '../../shared/rotators/rotator.ts';
import type { Accounted, Adopted } from './target-harness.ts';

interface Version extends KnownCredential {
  readonly value: SecretText | undefined;
}

/** A rotation's candidate, stored. */
export interface Brought {
  readonly versionId: string;
  readonly value: SecretText;
  readonly preflight: Preflight;
}

/** The steps of rotations of one secret, in the workflow's order and with its ledger, without a workflow. */
export class RotationByHand {
  readonly rotator: Rotator;
  readonly settings: RotatorSettings;
  readonly #adopted: Adopted;
  #versions: readonly Version[] = [];
  #current: { readonly versionId: string; readonly value: SecretText };
  #clock = Date.now();

  constructor(rotator: Rotator, adopted: Adopted, settings: Partial<RotatorSettings> = {}) {
    this.rotator = rotator;
    this.#adopted = adopted;
    this.#current = { versionId: crypto.randomUUID(), value: adopted.incumbent };
    this.settings = {
      mode: 'two_roles',
      preheatSeconds: 5,
      healthyThreshold: 1,
      endSessions: true,
      ...adopted.declared,
      ...settings,
      secretId: adopted.name,
    };
  }

  get current(): { readonly versionId: string; readonly value: SecretText } {
    return this.#current;
  }

  get known(): readonly KnownCredential[] {
    return this.#versions.map(({ identity, versionId, state, value, since, expiresAt, issuance }) => ({
      identity,
      versionId,
      state,
      ...(value === undefined ? {} : { wasStored: true as const }),
      ...(since === undefined ? {} : { since }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(issuance === undefined ? {} : { issuance }),
    }));
  }

  /** What may be alive: every version that is not retired. */
  get accounted(): readonly Accounted[] {
    return this.#versions.filter(({ state }) => state !== 'retired');
  }

  /** Later than any before it. */
  nextStart(): Date {
    this.#clock += 1000;
    return new Date(this.#clock);
  }

  get #values() {
    return { settings: this.settings, admin: this.#adopted.admin, incumbent: this.#current.value };
  }

  preflight(versionId: string): Promise<Preflight> {
    const incumbentVersionId = this.#current.versionId;
    const candidate = this.#versions.find((version) => version.versionId === versionId)?.value;
    return this.rotator.preflight({ ...this.#values, versionId, candidate, incumbentVersionId, known: this.known });
  }

  /**
   * Preflight, journal, store and install (or issue and store); `times`: each of them so often. Of issued ones only the last
   * is stored: the others' process died right before it.
   */
  async bringIn(
    versionId: string = crypto.randomUUID(),
    { times = 1, startedAt = this.nextStart() } = {},
  ): Promise<Brought> {
    const preflight = await this.preflight(versionId);
    this.journal(versionId, preflight);
    const { candidate, fence } = preflight;
    const incumbentVersionId = this.#current.versionId;
    if (this.rotator.kind === 'issued') {
      for (let time = 1; time < times; time += 1) await this.issue(versionId, preflight, startedAt, { stored: false });
      const value = await this.issue(versionId, preflight, startedAt);
      return { versionId, value, preflight };
    }
    const value = this.rotator.propose({ ...this.#values, versionId, candidate });
    this.#set(versionId, { value });
    for (let time = 0; time < times; time += 1) {
      await this.rotator.install({
        ...this.#values,
        versionId,
        startedAt,
        candidate: value,
        incumbentVersionId,
        fence,
      });
    }
    return { versionId, value, preflight };
  }

  journal(versionId: string, { candidate, incumbent, existing = [] }: Preflight): void {
    const { versionId: currentId, value } = this.#current;
    if (incumbent !== undefined) this.#set(currentId, { identity: incumbent, state: 'current', value });
    // Of the machine, not of the clock that runs ahead: servers go by it.
    const since = new Date();
    const issuance: Issuance = { since, existing, attempts: 0 };
    this.#set(versionId, {
      identity: candidate,
      state: 'proposed',
      since,
      ...(this.rotator.kind === 'issued' ? { issuance } : {}),
    });
  }

  /**
   * One attempt at having a credential made, written down and stored as `bring-in.ts` does; `lost`: the answer never
   * arrives, `stored: false`: the process dies before it stores what it has written down.
   */
  async issue(
    versionId: string,
    { candidate }: Preflight,
    startedAt: Date = this.nextStart(),
    { lost = false, stored = true } = {},
  ): Promise<SecretText> {
    const { rotator } = this;
    if (rotator.kind !== 'issued') throw new Error('this rotator does not issue');
    const issuance = this.begin(versionId);
    const { attempts } = issuance;
    const input = { ...this.#values, versionId, startedAt, candidate, issuance, known: this.known };
    const { identity, value, expiresAt } = await rotator.issue(input).catch((error: unknown) => {
      if (hasMadeNothing(rotator, error)) this.#set(versionId, { issuance: { ...issuance, attempts: attempts - 1 } });
      throw error;
    });
    if (lost) return value;
    this.#set(versionId, { identity, expiresAt, issuance: { ...issuance, explained: attempts } });
    if (stored) this.#set(versionId, { value });
    return value;
  }

  /** Writes one more attempt into the ledger. */
  begin(versionId: string): Issuance {
    const entry = this.#versions.find((version) => version.versionId === versionId);
    if (entry?.issuance === undefined) throw new Error('not journaled');
    const issuance = { ...entry.issuance, attempts: entry.issuance.attempts + 1 };
    this.#set(versionId, { issuance });
    return issuance;
  }

  /** What these attempts made is known to be gone. */
  explain(versionId: string, explained: number): void {
    const { issuance } = this.#versions.find((version) => version.versionId === versionId) ?? {};
    if (issuance === undefined) throw new Error('not journaled');
    this.#set(versionId, { issuance: { ...issuance, explained } });
  }

  test({ value }: Pick<Brought, 'value'>): Promise<TestReport> {
    const incumbentIdentity = this.known.find(({ versionId }) => versionId === this.#current.versionId)?.identity;
    const { admin, incumbent } = this.#values;
    return this.rotator.test({ settings: this.settings, candidate: value, incumbentIdentity, incumbent, admin });
  }

  /** The switch; answers the version that it replaced. */
  promote({ versionId, value }: Brought): string {
    const replaced = this.#current.versionId;
    this.#set(replaced, { state: 'grace' });
    this.#set(versionId, { state: 'current' });
    this.#current = { versionId, value };
    return replaced;
  }

  /** Somebody puts the value of an earlier version back, under a version of its own. */
  restore(versionId: string): void {
    this.#current = { versionId: crypto.randomUUID(), value: this.valueOf(versionId) };
  }

  /** Ends a version that is not current. */
  async retire(versionId: string, { forget = true } = {}): Promise<RetireReport> {
    const entry = this.#versions.find((version) => version.versionId === versionId);
    if (entry === undefined) throw new Error('not in the ledger');
    const { settings, admin, incumbent: survivor } = this.#values;
    const { identity, value } = entry;
    const survivorVersionId = this.#current.versionId;
    const report = await this.rotator.retire({
      settings,
      admin,
      identity,
      versionId,
      value,
      survivor,
      survivorVersionId,
      known: this.known,
    });
    if (forget) this.#set(versionId, { state: 'retired' });
    return report;
  }

  valueOf(versionId: string): SecretText {
    const value = this.#versions.find((version) => version.versionId === versionId)?.value;
    if (value === undefined) throw new Error('no value is stored');
    return value;
  }

  /** A whole rotation with its retirement. */
  async rotate(): Promise<Brought> {
    const brought = await this.bringIn();
    await this.test(brought);
    await this.retire(this.promote(brought));
    await this.rotator.release();
    return brought;
  }

  probe(value: SecretText): Promise<'accepted' | 'refused'> {
    return this.rotator.probe(value, this.settings);
  }

  #set(versionId: string, change: Partial<Version>): void {
    const known = this.#versions.find((version) => version.versionId === versionId);
    const base: Version = known ?? { identity: '', versionId, state: 'proposed', value: undefined };
    this.#versions = [...this.#versions.filter((version) => version !== known), { ...base, ...change }];
  }
}
