import {
  DeleteItemCommand,
  DeleteTableCommand,
  DynamoDBClient,
  ProvisionedThroughputExceededException,
  PutItemCommand,
  TransactionCanceledException,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linkEntries } from '../../shared/audit/chain.ts';
import { verifyTrail } from '../../shared/audit/verify-trail.ts';
import { DynamoDbAuditTrail } from '../../shared/aws/dynamodb-audit-trail.ts';
import type { Clock } from '../../shared/clock.ts';
import { InternalFault, Throttled, TransientFailure } from '../../shared/errors.ts';
import { createAuditTable } from '../harness/tables.ts';
import { auditTrailContract, collect, operation } from './audit-trail.contract.ts';

const endpoint = process.env.AWS_ENDPOINT_URL;
if (endpoint === undefined || endpoint === '') {
  throw new Error('AWS_ENDPOINT_URL is not set: these tests need a DynamoDB endpoint (`npm test` starts one).');
}

let table: string;
const local = { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
const client = new DynamoDBClient(local);

/** Waits take no time and are counted. */
class ImmediateClock implements Clock {
  readonly waits: number[] = [];
  now(): Date {
    return new Date(0);
  }
  sleep(milliseconds: number): Promise<void> {
    this.waits.push(milliseconds);
    return Promise.resolve();
  }
}

type Send = (command: string, run: () => Promise<unknown>) => Promise<unknown>;

/** A trail whose calls pass through `intercept`, which sees the command's name. */
function trailWith(intercept: Send, clock: Clock = new ImmediateClock()): DynamoDbAuditTrail {
  const own = new DynamoDBClient({ ...local, maxAttempts: 1 });
  own.middlewareStack.add(
    (next, context) => async (args) =>
      (await intercept(String(context.commandName), () => next(args))) as Awaited<ReturnType<typeof next>>,
    { step: 'initialize' },
  );
  return new DynamoDbAuditTrail({ client: own, table, clock });
}

function plainTrail(): DynamoDbAuditTrail {
  return new DynamoDbAuditTrail({ client, table, clock: new ImmediateClock() });
}

beforeAll(async () => {
  table = await createAuditTable(client);
});

afterAll(async () => {
  await client.send(new DeleteTableCommand({ TableName: table }));
});

auditTrailContract('DynamoDbAuditTrail', () => Promise.resolve({ first: plainTrail(), second: plainTrail() }));

describe('DynamoDbAuditTrail', () => {
  it('makes two calls an append, and three without a wait for what is already written', async () => {
    const calls: string[] = [];
    const clock = new ImmediateClock();
    const trail = trailWith((command, run) => {
      calls.push(command);
      return run();
    }, clock);
    const operations = [operation('one'), operation('two')];
    await trail.append('calls', operations);
    expect(calls.splice(0)).toEqual(['GetItemCommand', 'TransactWriteItemsCommand']);
    await trail.append('calls', operations);
    expect(calls).toEqual(['GetItemCommand', 'TransactWriteItemsCommand', 'GetItemCommand']);
    expect(clock.waits).toEqual([]);
  });

  it('changes nothing on the retry after an answer that was lost', async () => {
    let lost = false;
    const trail = trailWith(async (command, run) => {
      const answer = await run();
      if (command !== 'TransactWriteItemsCommand' || lost) return answer;
      lost = true;
      throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    });
    await expect(trail.append('lost', [operation('one'), operation('two')])).rejects.toBeInstanceOf(TransientFailure);
    const lines = await collect(trail.lines('lost'));
    expect(lines).toHaveLength(2);
    expect(await trail.append('lost', [operation('one'), operation('two')])).toMatchObject({ sequence: 2 });
    expect(await collect(trail.lines('lost'))).toEqual(lines);
  });

  it.each([
    ['exceeded throughput', new ProvisionedThroughputExceededException({ message: 'm', $metadata: {} })],
    [
      'a throttled transaction',
      new TransactionCanceledException({
        message: 'm',
        $metadata: {},
        CancellationReasons: [{ Code: 'ThrottlingError' }, { Code: 'None' }, { Code: 'None' }],
      }),
    ],
  ])('throws Throttled on %s and appends on the retry', async (name, fault) => {
    const secret = `throttled-${name.replaceAll(' ', '-')}`;
    let faults = 1;
    const trail = trailWith((command, run) => {
      if (command === 'TransactWriteItemsCommand' && faults-- > 0) throw fault;
      return run();
    });
    await expect(trail.append(secret, [operation('one')])).rejects.toBeInstanceOf(Throttled);
    expect(await trail.append(secret, [operation('one')])).toMatchObject({ sequence: 1 });
  });

  it('rethrows an error it does not know unchanged', async () => {
    const fault = Object.assign(new Error('no'), { name: 'AccessDeniedException' });
    const trail = trailWith(() => Promise.reject(fault));
    await expect(trail.append('denied', [operation('one')])).rejects.toBe(fault);
    await expect(trail.head('denied')).rejects.toBe(fault);
  });

  it('reads the head again, after a jittered wait, when another writer was first', async () => {
    const clock = new ImmediateClock();
    const rival = plainTrail();
    let races = 3;
    const trail = trailWith(async (command, run) => {
      if (command === 'TransactWriteItemsCommand' && races-- > 0)
        await rival.append('race', [operation(`rival-${races}`)]);
      return run();
    }, clock);
    expect(await trail.append('race', [operation('mine')])).toMatchObject({ sequence: 4 });
    expect(clock.waits).toHaveLength(3);
    expect(clock.waits.every((wait, index) => wait >= 0 && wait <= 50 * 2 ** index)).toBe(true);
    expect(await verifyTrail(trail, ['race'])).toMatchObject({ verified: true, entries: 4 });
  });

  it('passes over operations that another writer wrote between the read of the head and the transaction', async () => {
    const rival = plainTrail();
    let races = 1;
    const trail = trailWith(async (command, run) => {
      if (command === 'TransactWriteItemsCommand' && races-- > 0)
        await rival.append('overlap', [operation('b'), operation('x')]);
      return run();
    });
    expect(
      await trail.append(
        'overlap',
        ['a', 'b', 'c'].map((name) => operation(name)),
      ),
    ).toMatchObject({ sequence: 4 });
    expect((await collect(trail.read('overlap'))).map((entry) => entry.action)).toEqual(
      ['b', 'x', 'a', 'c'].map((name) => `rotation.${name}`),
    );
  });

  it('gives up with Throttled after twenty lost races, having written nothing', async () => {
    const rival = plainTrail();
    let races = 0;
    const trail = trailWith(async (command, run) => {
      if (command === 'TransactWriteItemsCommand')
        await rival.append('lost-races', [operation(`rival-${(races += 1)}`)]);
      return run();
    });
    await expect(trail.append('lost-races', [operation('mine')])).rejects.toBeInstanceOf(Throttled);
    expect(races).toBe(20);
    expect((await collect(trail.read('lost-races'))).map((entry) => entry.action)).not.toContain('rotation.mine');
  });

  it('lets the next append of the secret run after one that failed', async () => {
    let faults = 1;
    const trail = trailWith((_, run) => (faults-- > 0 ? Promise.reject(new Error('first')) : run()));
    const [first, second] = await Promise.allSettled([
      trail.append('after-failure', [operation('one')]),
      trail.append('after-failure', [operation('two')]),
    ]);
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
  });

  it('pages through more than DynamoDB answers at once', async () => {
    const trail = plainTrail();
    const context = { ip_address: '', reason: 'x'.repeat(100_000) };
    for (let batch = 0; batch < 3; batch += 1) {
      await trail.append(
        'long',
        Array.from({ length: 5 }, (_, index) => operation(`${batch}-${index}`, { context })),
      );
    }
    const calls: string[] = [];
    const counting = trailWith((command, run) => {
      calls.push(command);
      return run();
    });
    expect((await collect(counting.read('long'))).map((entry) => entry.sequence)).toEqual(
      Array.from({ length: 15 }, (_, i) => i + 1),
    );
    expect(calls.length).toBeGreaterThan(1);
    calls.splice(0);
    expect(await collect(counting.secretIds())).toContain('long');
    expect(calls.length).toBeGreaterThan(1);
  });

  describe('on a table that somebody changed', () => {
    const key = (secret: string, sequence: number) => ({ secret_id: { S: secret }, sequence: { N: String(sequence) } });
    const fill = async (secret: string): Promise<DynamoDbAuditTrail> => {
      const trail = plainTrail();
      await trail.append(
        secret,
        ['one', 'two', 'three'].map((name) => operation(name)),
      );
      return trail;
    };

    it('finds a deleted entry', async () => {
      const trail = await fill('deleted');
      await client.send(new DeleteItemCommand({ TableName: table, Key: key('deleted', 2) }));
      expect(await verifyTrail(trail, ['deleted'])).toMatchObject({
        problem: 'missing',
        secretId: 'deleted',
        sequence: 2,
      });
    });

    it('finds the deleted last entry by the head', async () => {
      const trail = await fill('cut');
      await client.send(new DeleteItemCommand({ TableName: table, Key: key('cut', 3) }));
      expect(await verifyTrail(trail, ['cut'])).toMatchObject({ problem: 'truncated', sequence: 3 });
    });

    it.each([
      ['an entry changed', 'SET entry = :text'],
      ['an entry without its bytes', 'REMOVE entry'],
      ['a hash changed', 'SET #hash = :text'],
    ])('finds %s, and reading it throws', async (name, expression) => {
      const secret = name.replaceAll(' ', '-');
      const trail = await fill(secret);
      await client.send(
        new UpdateItemCommand({
          TableName: table,
          Key: key(secret, 2),
          UpdateExpression: expression,
          ...(expression.includes('#hash') ? { ExpressionAttributeNames: { '#hash': 'hash' } } : {}),
          ...(expression.includes(':text')
            ? { ExpressionAttributeValues: { ':text': { S: 'somebody was here' } } }
            : {}),
        }),
      );
      expect(await verifyTrail(trail, [secret])).toMatchObject({ verified: false, line: 2, entries: 1 });
      await expect(collect(trail.read(secret))).rejects.toBeInstanceOf(InternalFault);
    });

    it('finds an entry put in by hand after the head, however well it is linked, and refuses to append over it', async () => {
      const trail = await fill('forged');
      const [forged] = linkEntries('forged', await trail.head('forged'), [operation('forged')]);
      const item = { ...key('forged', 4), entry: { S: forged?.canonical ?? '' }, hash: { S: forged?.hash ?? '' } };
      await client.send(new PutItemCommand({ TableName: table, Item: item }));
      expect(await verifyTrail(trail, ['forged'])).toMatchObject({ problem: 'head_behind', sequence: 4, entries: 3 });
      await expect(trail.append('forged', [operation('four')])).rejects.toBeInstanceOf(InternalFault);
    });
  });
});
