import { describe } from 'vitest';
import { hasRabbitmq, openRabbitmq, WITH_RABBITMQ } from './rabbitmq-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

describe.skipIf(!hasRabbitmq)(WITH_RABBITMQ, () => {
  rotatorContract('rabbitmq', openRabbitmq, { kind: 'chosen' });
});
