import { DeleteTableCommand, DynamoDBClient, GetItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, describe, expect, it } from 'vitest';
import type { ClientClock } from '../../client/client-clock.ts';
import { clientClock } from '../../client/client-clock.ts';
import { DynamoDbLink } from '../../client/dynamodb-link.ts';
import { DynamoDbRollouts } from '../../shared/aws/dynamodb-rollouts.ts';
import { Throttled } from '../../shared/errors.ts';
import { toUseReport } from '../../shared/rollout/consumer-items.ts';
import { createConsumersTable } from '../harness/tables.ts';
import { consumerLinkContract, notice, word } from './consumer-link.contract.ts';

const client = new DynamoDBClient({});
const tables: string[] = [];

afterAll(async () => {
  for (const TableName of tables) await client.send(new DeleteTableCommand({ TableName }));
});

async function newTable(): Promise<string> {
  const table = await createConsumersTable(client);
  tables.push(table);
  return table;
}

/** A link whose calls pass through `intercept`, which sees the command's name. */
function linkTo(
  table: string,
  { clock = clientClock, intercept = (_: string, run) => run() }: { clock?: ClientClock; intercept?: Intercept } = {},
): DynamoDbLink {
  const own = new DynamoDBClient({ maxAttempts: 1 });
  own.middlewareStack.add(
    (next, context) => async (args) =>
      (await intercept(String(context.commandName), () => next(args))) as Awaited<ReturnType<typeof next>>,
    { step: 'initialize' },
  );
  return new DynamoDbLink({ client: own, table, clock });
}

type Intercept = (command: string, run: () => Promise<unknown>) => Promise<unknown>;

consumerLinkContract('DynamoDbLink', async () => {
  const table = await newTable();
  return {
    link: linkTo(table),
    rollouts: new DynamoDbRollouts(client, table),
    uses: async (secretId) => {
      const { Items = [] } = await client.send(
        new QueryCommand({
          TableName: table,
          KeyConditionExpression: 'pk = :pk AND begins_with(sk, :use)',
          ExpressionAttributeValues: { ':pk': { S: `SECRET#${secretId}` }, ':use': { S: 'USE#' } },
        }),
      );
      return Items.flatMap((item) => toUseReport(item) ?? []);
    },
  };
});

describe('DynamoDbLink', () => {
  it('stamps with AWS’s time, whatever this machine’s clock says', async () => {
    const table = await newTable();
    const link = linkTo(table, { clock: { ...clientClock, wall: () => Date.now() - 40 * 86_400_000 } });
    await link.report(word({ startedAt: new Date(Date.now() - 40 * 86_400_000 - 5000) }));
    const [consumer] = await new DynamoDbRollouts(client, table).consumers('a');
    expect(Math.abs(Number(consumer?.seenAt) - Date.now())).toBeLessThan(3000);
    expect(Math.abs(Number(consumer?.startedAt) - (Date.now() - 5000))).toBeLessThan(3000);
  });

  it('asks for the time again after the machine has slept or its time was set, and never stamps too early', async () => {
    const table = await newTable();
    let set = 0;
    const calls: string[] = [];
    const link = linkTo(table, {
      clock: { ...clientClock, wall: () => Date.now() + set },
      intercept: (command, run) => {
        calls.push(command);
        return run();
      },
    });
    await link.report(word());
    await link.report(word());
    set = 7200_000;
    await link.report(word());
    expect(calls).toEqual(['GetItemCommand', 'PutItemCommand', 'PutItemCommand', 'GetItemCommand', 'PutItemCommand']);
    const [consumer] = await new DynamoDbRollouts(client, table).consumers('a');
    expect(Math.abs(Number(consumer?.seenAt) - Date.now())).toBeLessThan(3000);
  });

  it('lets no word that arrives late cover up a later one', async () => {
    const table = await newTable();
    let release: (() => void) | undefined;
    const link = linkTo(table, {
      intercept: async (command, run) => {
        if (command === 'PutItemCommand' && release === undefined) {
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        }
        return run();
      },
    });
    await link.notice('a');
    const late = link.report(word({ holds: ['v1'] }));
    await expect.poll(() => release).toBeDefined();
    expect(await link.announce(word({ holds: ['v1', 'v2'] }))).toBe('announced');
    release?.();
    await expect(late).rejects.toMatchObject({ name: 'TransientFailure' });
    expect(await new DynamoDbRollouts(client, table).consumers('a')).toMatchObject([{ holds: ['v1', 'v2'] }]);
  });

  it('reads more notices than one call takes, and those that DynamoDB left over', async () => {
    const table = await newTable();
    const rollouts = new DynamoDbRollouts(client, table);
    const names = Array.from({ length: 130 }, (_, index) => `secret-${index}`);
    for (const name of names.filter((_, index) => index % 10 === 0)) await rollouts.post(notice(name, 1));
    let left = 1;
    const waits: number[] = [];
    const link = linkTo(table, {
      clock: { ...clientClock, sleep: async (milliseconds) => void waits.push(milliseconds) },
      intercept: async (command, run) => {
        const result = (await run()) as { output: Record<string, unknown> };
        if (command !== 'BatchGetItemCommand' || left-- <= 0) return result;
        const Keys = [{ pk: { S: 'REKEY#secret-0' }, sk: { S: 'ROLLOUT' } }];
        return { ...result, output: { Responses: {}, UnprocessedKeys: { [table]: { Keys } } } };
      },
    });
    expect([...(await link.notices(names)).keys()].sort()).toEqual([
      'secret-0',
      'secret-100',
      'secret-110',
      'secret-120',
    ]);
    expect(waits).toEqual([50]);
    const always = linkTo(table, {
      clock: { ...clientClock, sleep: async (milliseconds) => void waits.push(milliseconds) },
      intercept: async (_, run) => ({
        ...((await run()) as object),
        output: { UnprocessedKeys: { [table]: { Keys: [{ pk: { S: 'REKEY#a' }, sk: { S: 'ROLLOUT' } }] } } },
      }),
    });
    await expect(always.notices(['a'])).rejects.toBeInstanceOf(Throttled);
  });

  it('gives items an end: a day after the bound, a week after an answer', async () => {
    const table = await newTable();
    await linkTo(table).report(word({ boundSeconds: 600 }));
    const { Item } = await client.send(
      new GetItemCommand({ TableName: table, Key: { pk: { S: 'SECRET#a' }, sk: { S: 'CONSUMER#one' } } }),
    );
    expect(Number(Item?.expiresAt?.N) - Date.parse(Item?.seenAt?.S ?? '') / 1000).toBeCloseTo(600 + 86_400, -1);
  });
});
