import { openIam } from './iam-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

rotatorContract('iam', openIam, { kind: 'issued', hasAddress: false });
