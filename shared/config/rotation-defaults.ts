import * as z from 'zod';

import type { SecretType } from './declaration.ts';
import type { KeyDefaults } from './key-defaults.ts';
import { type Rotation, rotationSchema } from './schema.ts';

/** The classes of `rotationPolicy` in OpenClaw's words, and the types of `secrets.yaml` that are in each. */
const CLASSES = {
  api_keys: ['github_token', 'api_key', 'http'],
  database_credentials: ['postgresql', 'mysql', 'mariadb', 'redis', 'rabbitmq'],
  aws_credentials: ['iam'],
} as const satisfies Readonly<Record<string, readonly SecretType[]>>;
const CLASS_NAMES = Object.keys(CLASSES) as readonly (keyof typeof CLASSES)[];

/** A secret that leaves its type to the `engine` of its value is of the class that all engines are in. */
const UNTYPED: SecretType = 'postgresql';

/** `secretsManagement.rotationPolicy` of `openclaw.json`. */
export const rotationPolicySchema = z.strictObject(
  {
    api_keys: rotationSchema.optional(),
    database_credentials: rotationSchema.optional(),
    aws_credentials: rotationSchema.optional(),
  } satisfies Readonly<Record<keyof typeof CLASSES, unknown>>,
  { error: `rotationPolicy is an object with ${CLASS_NAMES.join(', ')}` },
);

/** How often the secrets of a type rotate that do not say it themselves: what `openclaw.json` says. */
export interface RotationDefaults {
  readonly byType: Readonly<Partial<Record<SecretType, Rotation>>>;
  /** `false`: something is wrong in the file, so what is not here may be what is wrong. */
  readonly isComplete: boolean;
}

export const NO_ROTATIONS: RotationDefaults = { byType: {}, isComplete: true };

/** By type what `api_key_management` says of its kind, else what `rotationPolicy` says of its class. */
export function rotationsByType(
  policy: z.output<typeof rotationPolicySchema> | undefined,
  keys: KeyDefaults,
): RotationDefaults['byType'] {
  const rotations: { -readonly [Type in SecretType]?: Rotation } = {};
  for (const name of CLASS_NAMES) {
    for (const type of CLASSES[name]) {
      const rotation = keys[type]?.rotation ?? policy?.[name];
      if (rotation !== undefined) rotations[type] = rotation;
    }
  }
  return rotations;
}

/** What holds for a secret of this type that says nothing. */
export function defaultRotation(type: SecretType | undefined, { byType }: RotationDefaults): Rotation | undefined {
  return byType[type ?? UNTYPED];
}

/** The name of a type's class; none for a type that is in no class. */
export function classOf(type: SecretType | undefined): string | undefined {
  const sought = type ?? UNTYPED;
  return CLASS_NAMES.find((name) => CLASSES[name].some((member) => member === sought));
}
