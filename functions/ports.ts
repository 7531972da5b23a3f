import type { RotationPorts } from '../shared/rotation/ports.ts';
import { rotatorFor } from '../shared/rotators/rotator-for.ts';
import { books } from './books.ts';
import { secretStore } from './secret-store.ts';

/** The books, Secrets Manager and the targets. */
export const rotationPorts: RotationPorts = {
  ...books,
  secretStore,
  rotatorFor: (type, mode) => rotatorFor(type, { clock: books.clock, mode }),
};
