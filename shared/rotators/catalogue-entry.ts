import type { SecretType } from '../config/declaration.ts';

/** What people need to know of one rotator; `rekey rotators` and the documentation say it in these words. */
export interface CatalogueEntry {
  readonly type: SecretType;
  /** One sentence: what is rotated, and how. */
  readonly rotates: string;
  readonly kind: 'chosen' | 'issued';
  /** The shape of the secret's value, as JSON with `…` for what differs, or words where it is plain text. */
  readonly value: string;
  /** What must be there before: rights of the administrator, fields, versions of the target. */
  readonly needs: readonly string[];
  /** What incumbent and candidate do side by side, or how long the window is. */
  readonly overlap: string;
  /** How a retired credential is proved dead. */
  readonly proofOfDeath: string;
  /** What it does not do, or only under conditions. */
  readonly limits: readonly string[];
  /** The targets at which the tests of this version ran, and known ones at which they did not. */
  readonly testedAt: string;
  /** One entry of `secrets:` in `secrets.yaml`, with its leading `- `, ready to copy. */
  readonly example: string;
}
