import { RekeyError } from '../../shared/errors.ts';
import { NotStarted } from './child.ts';
import { deliver, type Delivery, isSame, type Values } from './delivery.ts';
import { ReloadFailed } from './errors.ts';
import type { RunOptions } from './run-options.ts';
import type { Tell } from './run-events.ts';
import type { Workload } from './workload.ts';

interface Parts {
  readonly options: RunOptions;
  readonly tell: Tell;
  readonly workload: Workload;
  /** What the command has been started with. */
  readonly delivery: Delivery;
  /** Whether the command is to end, or has: then nothing is started and nothing is answered any more. */
  readonly isEnding: () => boolean;
  /** Called when a reload has left nothing running. */
  readonly onGone: (fault: NotStarted | undefined) => void;
}

/** Brings new values to the command, and the old ones back where it does not work with the new. */
export class Reloader {
  readonly #parts: Parts;
  #delivery: Delivery;
  #turn: Promise<unknown> = Promise.resolve();
  #isBusy = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#delivery = parts.delivery;
  }

  /** While it is, the end of a child is its affair. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /**
   * Resolves when the command works with `values`. Throws when it does not, and has then what it had before. Never
   * settles when the command is ended meanwhile: its end says nothing about the values. One after the other.
   */
  async take(values: Values): Promise<void> {
    const mine = this.#turn.then(() => this.#take(values));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #take(values: Values): Promise<void> {
    const { workload, isEnding, onGone } = this.#parts;
    if (isEnding()) return never();
    this.#isBusy = true;
    let fault: NotStarted | undefined;
    try {
      await this.#change(values);
    } catch (error) {
      if (isEnding()) return never();
      if (error instanceof NotStarted) fault = error;
      throw error;
    } finally {
      this.#isBusy = false;
      if (workload.child?.isRunning !== true) onGone(fault);
    }
  }

  async #change(values: Values): Promise<void> {
    const { options, tell, workload, isEnding } = this.#parts;
    const before = this.#delivery;
    const secrets = versionsOf(values);
    tell({ event: 'reloading', how: this.#describe(), secrets });
    let isTouched = false;
    try {
      const next = deliver(options.specs, values, options.medium);
      isTouched = !(options.action.kind === 'restart' && isSame(before, next));
      await this.#apply(next, isTouched);
      this.#delivery = next;
    } catch (error) {
      if (isEnding()) throw error;
      const failure = error instanceof NotStarted ? new ReloadFailed(error.message, { cause: error }) : error;
      const reason = failure instanceof RekeyError ? failure.safeMessage : 'An unexpected fault.';
      tell({ event: 'refused', reason, secrets });
      if (isTouched) await this.#putBack(before);
      throw failure;
    }
    tell({ event: 'reloaded', pid: workload.child?.pid ?? 0, secrets });
  }

  /** Values that have not changed restart nothing: the command is only asked whether it works. */
  async #apply(next: Delivery, isTouched: boolean): Promise<void> {
    const { options, workload } = this.#parts;
    if (options.action.kind !== 'restart') await workload.hand(next);
    else if (isTouched) await this.#restart(next);
    await workload.prove(next);
  }

  /** Throws `NotStarted` where not even the old values bring it up. */
  async #putBack(before: Delivery): Promise<void> {
    const { options, tell, workload } = this.#parts;
    try {
      if (options.action.kind === 'restart' || workload.child?.isRunning !== true) await this.#restart(before);
      else await workload.hand(before);
      await workload.prove(before);
      tell({ event: 'restored', pid: workload.child?.pid ?? 0, secrets: before.versions });
    } catch (error) {
      if (!(error instanceof RekeyError)) throw error;
      tell({ event: 'warning', message: `with the values of before: ${error.safeMessage}` });
    }
  }

  async #restart(delivery: Delivery): Promise<void> {
    const { workload, isEnding } = this.#parts;
    await workload.stop();
    if (isEnding()) throw new ReloadFailed('The command is to end.');
    await workload.start(delivery);
  }

  #describe(): string {
    const { action } = this.#parts.options;
    switch (action.kind) {
      case 'restart':
        return 'restarting the command';
      case 'signal':
        return `sending it ${action.signal}`;
      case 'exec':
        return 'running the line of --on-reload';
      case 'none':
        return 'writing the files';
    }
  }
}

function versionsOf(values: Values): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).map(([name, { versionId }]) => [name, versionId]));
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
