import { openHttp } from './http-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

// A declaration that lists credentials; without a list: http-lost-answers.test.ts.
rotatorContract('http', openHttp, { kind: 'issued', obstructs: false, hasAddress: false });
