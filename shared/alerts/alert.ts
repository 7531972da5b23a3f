import type { AlertKind } from '../config/declaration.ts';

/** One message for people, with the same facts for machines. Never a value. */
export interface Alert {
  readonly kind: AlertKind;
  /** At most 100 printable ASCII characters: says what and which. */
  readonly subject: string;
  /** What happened, its effect, what to do. */
  readonly body: string;
  /** The machine's rendition; `alert_id` stays the same when an alert is delivered twice. */
  readonly facts: AlertFacts;
}

export interface AlertFacts {
  readonly alert_id: string;
  readonly kind: AlertKind;
  readonly environment: string;
  readonly secret_id: string;
  readonly rotation_id: string;
  readonly timestamp: string;
  readonly [fact: string]: string | number | boolean;
}

export interface AlertPublisher {
  /** Hands the alert to all subscribers. At least once: receivers tell a repetition by `alert_id`. */
  publish(alert: Alert): Promise<void>;
}
