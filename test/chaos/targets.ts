import type { TargetHarness } from '../rotators/target-harness.ts';

/** Every rotator with overlap, and how its target is started. The import is dynamic: only what is asked for is loaded. */
export const TARGETS: Readonly<Record<string, () => Promise<TargetHarness>>> = {
  postgresql: async () => (await import('../rotators/postgresql-target-harness.ts')).openPostgresql(),
  mysql: async () => (await import('../rotators/mysql-harness.ts')).openMysql(),
  mariadb: async () => (await import('../rotators/mariadb-harness.ts')).openMariadb(),
  redis: async () => (await import('../rotators/redis-harness.ts')).openRedis(),
  rabbitmq: async () => (await import('../rotators/rabbitmq-harness.ts')).openRabbitmq(),
  iam: async () => (await import('../rotators/iam-harness.ts')).openIam(),
  github_token: async () => (await import('../rotators/github-token-harness.ts')).openGithubToken(),
  api_key: async () => (await import('../rotators/api-key-harness.ts')).openApiKey(),
  http: async () => (await import('../rotators/http-harness.ts')).openHttp(),
  'http without list': async () => (await import('../rotators/http-harness.ts')).openHttpWithoutList(),
  credential: async () => (await import('../rotators/credential-harness.ts')).openCredential(),
};
