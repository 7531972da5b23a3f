import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';

import { assertRoom } from '../../../../infra/local/disk-space.ts';

test('says how much room is missing, before anything is written', async () => {
  await assertRoom(tmpdir(), 1);
  await expect(assertRoom(tmpdir(), 10 ** 12)).rejects.toThrow(/ MB free and 1000000000000 MB are needed: make room/);
});
