import { openGithubToken } from './github-token-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

// The address is in the settings, not in the value: test/rotators/github-token-faults.test.ts takes it away.
rotatorContract('github_token', openGithubToken, {
  kind: 'issued',
  findsLost: false,
  obstructs: false,
  hasAddress: false,
});
