import { openRabbitmq } from './rabbitmq-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

rotatorContract('rabbitmq', openRabbitmq, { kind: 'chosen' });
