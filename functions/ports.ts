import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SecretsManagerStore } from '../shared/aws/secrets-manager-store.ts';
import type { RotationPorts } from '../shared/rotation/ports.ts';
import { rotatorFor } from '../shared/rotators/rotator-for.ts';
import { books } from './books.ts';

/** The books, Secrets Manager and the targets. */
export const rotationPorts: RotationPorts = {
  ...books,
  secretStore: new SecretsManagerStore(new SecretsManagerClient({})),
  rotatorFor: (type, mode) => rotatorFor(type, { clock: books.clock, mode }),
};
