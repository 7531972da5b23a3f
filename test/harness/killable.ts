/** Where the work is killed: at the `effect`-th side effect, before it happens or after it, with its answer lost. */
export interface Kill {
  readonly effect: number;
  readonly when: 'before' | 'after';
}

/** What a killed process looks like from inside: nothing more happens in it. */
export class Killed extends Error {
  override readonly name = 'Lambda.Unknown';
}

/** Methods of the ports that change something outside. */
const EFFECTS: ReadonlySet<string> = new Set([
  'save',
  'append',
  'create',
  'putPending',
  'promote',
  'clearPending',
  'install',
  'retire',
  'publish',
  'post',
  'openBatch',
  'addAnswers',
]);

/** Counts side effects over a whole scenario, kills one invocation at the chosen one, and tells after each. */
export class Executioner {
  readonly effects: string[] = [];
  /** Told at the moment of the kill. */
  onKill: () => void = () => undefined;
  readonly #kill: Kill | undefined;
  readonly #afterEffect: (effect: string) => Promise<void>;

  constructor(kill: Kill | undefined, afterEffect: (effect: string) => Promise<void>) {
    this.#kill = kill;
    this.#afterEffect = afterEffect;
  }

  /** The ports of one invocation: once killed, every further call fails, so no `finally` can tidy up. */
  invocation<Ports extends object>(ports: Ports): Ports {
    const life = { isOver: false };
    return Object.fromEntries(
      Object.entries(ports).map(([name, port]) => [name, this.#wrap(port, life)]),
    ) as unknown as Ports;
  }

  #wrap(port: unknown, life: { isOver: boolean }): unknown {
    if (typeof port === 'function') {
      return async (...words: unknown[]) => {
        this.#live(life);
        return this.#wrap(await (port as (...given: unknown[]) => unknown)(...words), life);
      };
    }
    if (typeof port !== 'object' || port === null) return port;
    return new Proxy(port, {
      get: (target, key) => {
        const member: unknown = Reflect.get(target, key, target);
        if (typeof member !== 'function') return member;
        const call = (...words: unknown[]) => (member as (...given: unknown[]) => unknown).apply(target, words);
        if (typeof key === 'string' && EFFECTS.has(key))
          return (...words: unknown[]) => this.#effect(key, life, () => call(...words));
        return (...words: unknown[]) => {
          this.#live(life);
          return call(...words);
        };
      },
    });
  }

  async #effect(name: string, life: { isOver: boolean }, run: () => unknown): Promise<unknown> {
    this.#live(life);
    const number = this.effects.push(name);
    const isHere = this.#kill?.effect === number;
    if (isHere && this.#kill?.when === 'before') this.#end(life);
    const answer = await run();
    await this.#afterEffect(name);
    if (isHere) this.#end(life);
    return answer;
  }

  #live(life: { isOver: boolean }): void {
    if (life.isOver) throw new Killed('killed');
  }

  #end(life: { isOver: boolean }): never {
    life.isOver = true;
    this.onKill();
    throw new Killed('killed');
  }
}
