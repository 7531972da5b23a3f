import type { PostgresqlDependencies } from './postgresql/postgresql-rotator.ts';
import type { Rotator } from './rotator.ts';

/** What a rotator may be given; each takes what it knows. */
export type RotatorDependencies = PostgresqlDependencies;

/** One entry a rotator. The import is dynamic, so that only the driver of the rotator at hand is loaded. */
const ROTATORS: Readonly<Record<string, (dependencies: RotatorDependencies) => Promise<Rotator>>> = {
  postgresql: async (dependencies) =>
    (await import('./postgresql/postgresql-rotator.ts')).postgresqlRotator(dependencies),
};

/** Whether this version of Rekey rotates secrets of `type`. Loads nothing. */
export function isSupportedType(type: string): boolean {
  return Object.hasOwn(ROTATORS, type);
}

/** The rotator for secrets of `type`, in the mode of the secret at hand; `undefined` where this version has none. */
export async function rotatorFor(type: string, dependencies: RotatorDependencies): Promise<Rotator | undefined> {
  return Object.hasOwn(ROTATORS, type) ? await ROTATORS[type]?.(dependencies) : undefined;
}
