import { defineConfig } from 'vitest/config';

const needsCloud = [
  'test/fidelity/**/*.test.ts',
  'test/contract/{aws,dynamodb}-*.test.ts',
  'test/chaos/killed-process.test.ts',
];
const needsOpenClaw = ['test/openclaw/**/*.test.ts'];
const needsDeployment = ['test/workflow/**/*.test.ts', 'test/security/**/*.test.ts'];

/** Four kinds of tests by what they need around them; each kind starts that once, and the kinds run one after another. */
export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'here',
          include: ['test/**/*.test.ts'],
          exclude: [...needsCloud, ...needsDeployment, ...needsOpenClaw],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'cloud',
          include: needsCloud,
          globalSetup: 'test/local-cloud.setup.ts',
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'deployed',
          include: needsDeployment,
          globalSetup: 'test/deployment.setup.ts',
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          // Not part of `npm test`: the first run installs 600 MB.
          name: 'openclaw',
          include: needsOpenClaw,
          globalSetup: 'test/local-cloud.setup.ts',
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 480_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
