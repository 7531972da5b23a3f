import { openApiKey } from './api-key-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

// The address is in the settings, not in the value: test/rotators/api-key-faults.test.ts takes it away.
rotatorContract('api_key', openApiKey, { kind: 'issued', obstructs: false, hasAddress: false });
