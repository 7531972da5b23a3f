import { openCredential } from './credential-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

rotatorContract('credential', openCredential, {
  kind: 'chosen',
  provesDeath: false,
  obstructs: false,
  hasAddress: false,
});
