import { describe } from 'vitest';
import { mysqlBinaries, startMysqlHarness, targetHarness, WITH_MYSQL } from './mysql-harness.ts';
import { rotatorContract } from './rotator.contract.ts';
import type { TargetHarness } from './target-harness.ts';

describe.skipIf(mysqlBinaries === undefined)(`${WITH_MYSQL}, as before 8.0.21`, () => {
  rotatorContract('mysql', openTwoUsers, { kind: 'chosen', isVariant: true });
});

async function openTwoUsers(): Promise<TargetHarness> {
  return targetHarness(await startMysqlHarness({}, { dualPasswords: false }));
}
