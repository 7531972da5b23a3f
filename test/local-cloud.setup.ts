import type { TestProject } from 'vitest/node';

import { startLocalCloud } from '../infra/local/local-cloud.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the tests' AWS is. Its clients find it by themselves, from the environment. */
    readonly endpoint: string;
  }
}

/**
 * One cloud for a whole run of the tests: started here, or the one that `AWS_ENDPOINT_URL` names. Its environment is
 * set before the workers start, so that they inherit it.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  // A test that waits for a schedule should not take a minute: `rate(1 minute)` fires every three seconds.
  const cloud = await startLocalCloud({
    scale: { rate: 20 },
    onProgress: (line) => void process.stderr.write(`${line}\n`),
  });
  const before = Object.keys(cloud.environment).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, cloud.environment);
  project.provide('endpoint', cloud.endpoint);
  return async () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await cloud.stop();
  };
}
