import { TransientFailure } from '../../shared/errors.ts';
import { overTheWire } from './wire.ts';

/** What can go wrong at one side effect. */
export type Fault =
  /** It does not happen, and the step is told so. */
  | 'fails'
  /** It happens, and its answer is lost. */
  | 'answer lost'
  /** The process dies before it, or after it with its answer lost. */
  | 'killed before'
  | 'killed after'
  /** The same step runs a second time, from beginning to end, just before it or just after it. */
  | 'twice before'
  | 'twice after'
  /** The connection to the target is lost within it: at the `write`-th write, which never leaves or is never answered. */
  | 'cut before'
  | 'cut after';

/** Where: at the `effect`-th side effect of the scenario, counted from 1. */
export interface Sabotage {
  readonly effect: number;
  readonly fault: Fault;
  /** Counted from 1; with `cut before` and `cut after`. */
  readonly write?: number;
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
  'issue',
  'retire',
  'publish',
  'post',
  'openBatch',
  'addAnswers',
]);

/** Those of a rotator: what they do at the target may be several effects. */
const AT_TARGET: ReadonlySet<string> = new Set(['install', 'issue', 'retire']);

/** Counts side effects over a whole scenario, does harm at the chosen one, and tells after each. */
export class Saboteur {
  readonly effects: string[] = [];
  /** How many writes to its target each effect made. */
  readonly writes: number[] = [];
  /** Whether the harm has been done: a scenario that ends before it shows nothing. */
  struck = false;
  /** Told at the moment of a kill. */
  onKill: () => void = () => undefined;
  /** Runs the step at hand once more, with ports of its own. */
  duplicate: () => Promise<unknown> = async () => undefined;
  readonly #sabotage: Sabotage | undefined;
  readonly #afterEffect: (effect: string) => Promise<void>;

  constructor(sabotage: Sabotage | undefined, afterEffect: (effect: string) => Promise<void>) {
    this.#sabotage = sabotage;
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
        if (typeof key === 'string' && EFFECTS.has(key)) {
          return (...words: unknown[]) => this.#effect(key, life, () => call(...words));
        }
        return (...words: unknown[]) => {
          // Nothing happens in a dead process; an error of this one would stand before the kill, which the workflow is told of.
          if (key === 'release' && life.isOver) return Promise.resolve();
          this.#live(life);
          return call(...words);
        };
      },
    });
  }

  async #effect(name: string, life: { isOver: boolean }, run: () => unknown): Promise<unknown> {
    this.#live(life);
    const number = this.effects.push(name);
    const fault = this.#sabotage?.effect === number ? this.#sabotage.fault : undefined;
    if (fault !== undefined && !isCut(fault)) this.struck = true;
    if (fault === 'fails') throw new TransientFailure(`"${name}" failed on purpose.`);
    if (fault === 'killed before') this.#end(life);
    if (fault === 'twice before') await this.#again();
    const answer = await this.#run(name, number, run);
    await this.#afterEffect(name);
    if (fault === 'answer lost') throw new TransientFailure(`The answer of "${name}" was lost on purpose.`);
    if (fault === 'killed after') this.#end(life);
    if (fault === 'twice after') await this.#again();
    return answer;
  }

  async #run(name: string, number: number, run: () => unknown): Promise<unknown> {
    if (!AT_TARGET.has(name)) return run();
    const { effect, fault, write = 0 } = this.#sabotage ?? {};
    const cut =
      effect === number && isCut(fault)
        ? ({ write, when: fault === 'cut before' ? 'before' : 'after' } as const)
        : undefined;
    return overTheWire(
      async () => run(),
      cut,
      (writes) => {
        this.writes[number] = writes;
        if (cut !== undefined && writes >= write) this.struck = true;
      },
    );
  }

  /** The second run may well fail: what matters is what it does to the first. */
  async #again(): Promise<void> {
    await this.duplicate().catch(() => undefined);
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

function isCut(fault: Fault | undefined): boolean {
  return fault === 'cut before' || fault === 'cut after';
}
