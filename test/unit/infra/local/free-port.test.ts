import { createServer } from 'node:net';
import { expect, test } from 'vitest';

import { freePort, isPortTaken } from '../../../../infra/local/free-port.ts';

test('finds a port of 127.0.0.1 that can be bound, and sees when it is taken', async () => {
  const port = await freePort();
  expect(await isPortTaken(port)).toBe(false);
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
  expect(await isPortTaken(port)).toBe(true);
  await new Promise((resolve) => server.close(resolve));
});
