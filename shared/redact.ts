import { inspect } from 'node:util';

/** What every printed form of a secret value says. */
export const REDACTED = '[redacted]';

/**
 * Holds one secret text so that no logger, error, template or JSON can print it by accident. `reveal()` is the only
 * way out; call it at the last moment, as an argument of the call that needs it.
 */
export class SecretText {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.toPrimitive](): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
