/** One secret of the deployed system, with a database, a login role and an administrator's secret of its own. */
export interface Example {
  readonly secret: string;
  readonly adminSecret: string;
  readonly database: string;
  /** The role that an admin made by hand: the first incumbent. */
  readonly role: string;
  /** Fields of secrets.yaml beside name and type. */
  readonly fields: Readonly<Record<string, string | boolean | Readonly<Record<string, string>>>>;
}

/** Every test rotates its own: only `scheduled` is left to the schedule, so that no test depends on another or on time. */
export const EXAMPLES = {
  scheduled: example('scheduled', { grace: '2s', access_level: 'admin', rotate_immediately: true }),
  manual: example('manual', { grace: '2s' }),
  dueTwice: example('due_twice', { grace: '1h' }),
  sameEvent: example('same_event', { grace: '1h' }),
  twoEvents: example('two_events', { grace: '1h' }),
  aborted: example('aborted', { grace: '1h' }),
  stopped: example('stopped', { grace: '1h' }),
  retiring: example('retiring', { grace: '1h' }),
  adminRefused: example('admin_refused', { grace: '1h' }),
  unreachable: example('unreachable', { grace: '1h' }),
  occupied: example('occupied', { grace: '1h' }),
  unproven: example('unproven', { grace: '0s' }),
  owed: example('owed', { grace: '1h', preheat: { timeout: '1s' } }),
  leaving: example('leaving', { grace: '1h' }),
  onRequest: example('on_request', { grace: '1h' }),
  byAws: example('by_aws', { grace: '1h', scheduler: 'secrets_manager' }),
  rollout: example('rollout', { grace: '0s', apply: { timeout: '30s' } }),
  canary: example('canary', { grace: '2s' }),
} as const;

/** Secrets of other types, one for each way a driver gets into a bundle; their targets are made by the test. */
export const OTHER_TYPES = {
  generated: other('generated', { type: 'credential', policy: { length: 40, require: ['upper', 'digit', 'symbol'] } }),
  cache: other('cache', { type: 'redis', admin_secret: 'test/cache_admin' }),
  deployer: other('deployer', { type: 'iam', provider: { user: 'rekey-test-deployer' } }),
} as const;

/** secrets.yaml with these secrets and one queue for every alert. */
export function secretsYaml(examples: readonly Example[], queueArn: string): string {
  const databases = examples.map(({ secret, adminSecret, fields }) => ({
    name: secret,
    type: 'postgresql',
    admin_secret: adminSecret,
    ...fields,
  }));
  const others = Object.values(OTHER_TYPES).map(({ secret, fields }) => ({ name: secret, ...fields }));
  const secrets = [...databases, ...others].map((all) => {
    const lines = Object.entries(all).map(([field, value]) => `    ${field}: ${JSON.stringify(value)}`);
    return `  -\n${lines.join('\n')}\n`;
  });
  return `secrets:\n${secrets.join('')}alerts:\n  - sqs: ${JSON.stringify(queueArn)}\n`;
}

function other(name: string, fields: Readonly<Record<string, unknown>>) {
  return { secret: `test/${name}`, fields: { rotation: 'daily', grace: '0s', rotate_immediately: false, ...fields } };
}

function example(name: string, fields: Example['fields']): Example {
  return {
    secret: `test/${name}`,
    adminSecret: `test/${name}_admin`,
    database: `${name}_data`,
    role: `${name}_app`,
    fields: { rotation: 'daily', scope: 'production', rotate_immediately: false, ...fields },
  };
}
