/** What an application imports: `import { openSecrets } from 'rekey/client'`. */
export type { ClientClock } from './client-clock.ts';
export * from './errors.ts';
export type { Action, ActionContext, AgentDeclaration } from './agent-declaration.ts';
export { isAuthError } from './auth-error.ts';
export { openSecrets } from './open-secrets.ts';
export type { SecretsOptions } from './options.ts';
export { pgPool, type PgPoolOptions, type RotatingPool } from './pg-pool.ts';
export type { Activate, Prove } from './provers.ts';
export { SecretValue } from './secret-value.ts';
export type { SecretHealth, Secrets } from './secrets.ts';
export { type Agent, spawn, type SpawnOptions } from './spawn.ts';
