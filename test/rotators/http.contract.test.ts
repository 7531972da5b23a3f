import { openHttp, openHttpWithoutList } from './http-harness.ts';
import { rotatorContract } from './rotator.contract.ts';

const options = { kind: 'issued', obstructs: false, hasAddress: false } as const;

rotatorContract('http', openHttp, options);
rotatorContract('http', openHttpWithoutList, {
  ...options,
  findsLost: false,
  leavesDoubt: true,
  variant: 'without list',
});
