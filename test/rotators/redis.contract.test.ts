import { openRedis } from './redis-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

rotatorContract('redis', openRedis, { kind: 'chosen', obstructs: false });
