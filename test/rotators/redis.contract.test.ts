import { describe } from 'vitest';
import { hasRedis, openRedis, WITH_REDIS } from './redis-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

describe.skipIf(!hasRedis)(WITH_REDIS, () => {
  rotatorContract('redis', openRedis, { kind: 'chosen', obstructs: false });
});
