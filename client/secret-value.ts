import { SecretText } from '../shared/redact.ts';
import { SecretNotJson } from './errors.ts';

/**
 * One version of a secret. Printed, logged, cloned or sent to a worker it shows its name and version, never its text:
 * `reveal()` and `json()` are the only ways out.
 */
export class SecretValue extends SecretText {
  readonly name: string;
  readonly versionId: string;

  constructor(secret: { readonly name: string; readonly versionId: string; readonly text: string }) {
    super(secret.text);
    this.name = secret.name;
    this.versionId = secret.versionId;
  }

  /** The text parsed anew at each call, so that nobody changes another's. Throws `SecretNotJson`. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it stored
  json<Shape = Readonly<Record<string, unknown>>>(): Shape {
    try {
      return JSON.parse(this.reveal()) as Shape;
    } catch {
      throw new SecretNotJson(`The value of "${this.name}" is not JSON.`);
    }
  }
}
