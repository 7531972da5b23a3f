import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { IAMClient } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OrphanInDoubt, RetirementPending, SlotOccupied, TransientFailure } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { AWS_CLIENTS } from '../../shared/rotators/iam/aws-clients.ts';
import { iamRotator } from '../../shared/rotators/iam/iam-rotator.ts';
import type {
  Issuance,
  IssueInput,
  KnownCredential,
  RetireInput,
  RotatorSettings,
} from '../../shared/rotators/rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { IamHarness, idOf, refusal, userOf } from './iam-harness.ts';
import type { Adopted } from './target-harness.ts';

const HOUR = 3_600_000;

let iam: IamHarness;
let adopted: Adopted;
let user: string;
let incumbentId: string;
let clock: ManualClock;
/** When the first attempt was written down. */
let since: Date;
let made = 0;
beforeAll(async () => {
  iam = await IamHarness.start();
});
afterAll(() => iam.stop());
beforeEach(async () => {
  made += 1;
  adopted = await iam.adopt(`lost${made}`);
  user = userOf(adopted);
  incumbentId = idOf(adopted.incumbent);
  iam.around = (_, send) => send();
  iam.calls.length = 0;
  clock = new ManualClock(new Date().toISOString());
  since = clock.now();
});

const settings = (): RotatorSettings => ({
  secretId: adopted.name,
  mode: 'two_roles',
  preheatSeconds: 5,
  healthyThreshold: 1,
  endSessions: true,
  ...adopted.declared,
});
interface Journal {
  readonly attempts?: number;
  readonly identity?: string;
  readonly more?: readonly KnownCredential[];
  readonly existing?: readonly string[];
}
function journal({ attempts = 2, identity = 'new key', more = [], existing = [incumbentId] }: Journal = {}): {
  readonly issuance: Issuance;
  readonly known: readonly KnownCredential[];
} {
  const issuance = { since, existing, attempts };
  const current = { identity: incumbentId, versionId: 'v1', state: 'current' as const };
  return { issuance, known: [current, ...more, { identity, versionId: 'v2', state: 'proposed', issuance }] };
}
function issue(written: Journal = {}, more: Partial<IssueInput> = {}) {
  // Later than whatever the test has made by hand, by IAM's own clock.
  clock.advance(10);
  const startedAt = since;
  const input = { settings: settings(), admin: undefined, incumbent: adopted.incumbent, versionId: 'v2', startedAt };
  return iam.rotator(clock).issue({ ...input, candidate: 'new key', ...journal(written), ...more });
}
function retire(written: Journal = {}, more: Partial<RetireInput> = {}) {
  const { known } = journal(written);
  const { identity } = known.find(({ versionId }) => versionId === 'v2') ?? { identity: '' };
  const input = { settings: settings(), admin: undefined, identity, versionId: 'v2', value: undefined };
  return iam.rotator(clock).retire({ ...input, survivor: adopted.incumbent, survivorVersionId: 'v1', known, ...more });
}
/** A key that an attempt of this rotation has made, its answer lost. */
const lose = async (): Promise<SecretText> => (await issue({ attempts: 1 })).value;
const ids = async () => [...(await iam.keysOf(user)).keys()].sort();
const created = (id: string, at: Date) => {
  iam.around = async (_, send) => {
    const answer = (await send()) as { AccessKeyMetadata?: { AccessKeyId: string; CreateDate: Date }[] };
    for (const key of answer.AccessKeyMetadata ?? []) if (key.AccessKeyId === id) key.CreateDate = at;
    return answer;
  };
};

describe('what a lost answer has left', () => {
  it('is disabled, then deleted, before the next key is made', async () => {
    const lost = idOf(await lose());
    iam.calls.length = 0;
    const { identity, facts } = await issue();
    expect(facts).toEqual({ user, removed_leftovers: lost });
    expect(await ids()).toEqual([incumbentId, identity].sort());
    const changes = iam.calls.map(({ action }) => action).filter((action) => /^(Create|Update|Delete)/.test(action));
    expect(changes).toEqual(['UpdateAccessKey', 'DeleteAccessKey', 'CreateAccessKey']);
  });

  it('is ended by a retirement without a value, twice, beside a survivor', async () => {
    const lost = idOf(await lose());
    expect(await retire({ attempts: 1 })).toEqual({
      refusedLogin: false,
      endedSessions: 0,
      facts: { user, removed_leftovers: lost },
    });
    expect((await retire({ attempts: 1 })).facts['access_key']).toMatch(/^none was found/);
    expect(await ids()).toEqual([incumbentId]);
  });

  it('is found also where IAM lists it late', async () => {
    const lost = idOf(await lose());
    const listedFrom = clock.now().getTime() + 8_000;
    iam.around = async ({ action }, send) => {
      const answer = (await send()) as { AccessKeyMetadata?: { AccessKeyId: string }[] };
      if (action !== 'ListAccessKeys' || clock.now().getTime() >= listedFrom) return answer;
      return {
        ...answer,
        AccessKeyMetadata: answer.AccessKeyMetadata?.filter(({ AccessKeyId }) => AccessKeyId !== lost),
      };
    };
    expect((await issue()).facts['removed_leftovers']).toBe(lost);
  });

  it('is not looked for at the first attempt: what appeared since preflight is not ours', async () => {
    const other = idOf(await iam.makeKey(user));
    await expect(issue({ attempts: 1, existing: [incumbentId, other] })).rejects.toBeInstanceOf(SlotOccupied);
    expect(await ids()).toEqual([incumbentId, other].sort());
  });

  it('is not looked for either where no attempt was begun', async () => {
    const other = idOf(await iam.makeKey(user));
    expect((await retire({ attempts: 0 })).facts['access_key']).toMatch(/^none was found/);
    expect(await ids()).toEqual([incumbentId, other].sort());
  });

  it('is known by the ledger where its answer came and was not stored, even if it was used', async () => {
    const lost = await lose();
    await iam.use(lost);
    const { facts } = await issue({ identity: idOf(lost) });
    expect(facts['removed_leftovers']).toBe(idOf(lost));
  });

  it('is ended by the name in the ledger, when its value was not stored', async () => {
    const lost = await lose();
    await iam.use(lost);
    const { facts, refusedLogin } = await retire({ attempts: 1, identity: idOf(lost) });
    expect(facts).toMatchObject({ access_key: `${idOf(lost)}: disabled, then deleted`, last_used_service: 'sts' });
    expect(refusedLogin).toBe(false);
    expect(await ids()).toEqual([incumbentId]);
  });
});

describe("a key that may be somebody else's", () => {
  const doubts: readonly (readonly [string, RegExp, (key: SecretText) => Promise<void>])[] = [
    ['was used', /somebody has used it/, (key) => iam.use(key)],
    [
      'was made before',
      /made before the rotation/,
      async (key) => created(idOf(key), new Date(since.getTime() - 5 * 60_000 - 1_000)),
    ],
    [
      'was made long after',
      /made long after/,
      async (key) => created(idOf(key), new Date(since.getTime() + HOUR + 1_000)),
    ],
    [
      'may have been used: IAM does not say',
      /does not say whether it was used/,
      async () => {
        iam.around = async ({ action }, send) => {
          if (action === 'GetAccessKeyLastUsed') throw refusal('AccessDenied');
          return await send();
        };
      },
    ],
  ];

  it.each(doubts)('because it %s is not touched', async (_, reason, spoil) => {
    const key = await iam.makeKey(user);
    await spoil(key);
    for (const run of [() => issue(), () => retire()]) {
      const error = (await run().catch((thrown: unknown) => thrown)) as Error;
      expect(error).toBeInstanceOf(OrphanInDoubt);
      expect(error.message).toMatch(reason);
      expect(error.message).toContain(idOf(key));
    }
    expect((await iam.keysOf(user)).get(idOf(key))).toBe('Active');
  });

  it('because there are more than there were attempts is not touched, nor is any other', async () => {
    await iam.deleteKey(user, incumbentId);
    const keys = [idOf(await iam.makeKey(user)), idOf(await iam.makeKey(user))].sort();
    const nobody = { incumbent: undefined };
    await expect(issue({ existing: [] }, nobody)).rejects.toBeInstanceOf(OrphanInDoubt);
    expect(await ids()).toEqual(keys);
    await issue({ existing: [], attempts: 3 }, nobody);
  });

  it('because it was there before, or another version has it, is never looked at', async () => {
    const other = idOf(await iam.makeKey(user));
    const grace = { identity: other, versionId: 'v0', state: 'grace' as const };
    await expect(issue({ more: [grace] })).rejects.toBeInstanceOf(RetirementPending);
    await retire({ more: [grace] });
    await expect(issue({ existing: [incumbentId, other] })).rejects.toBeInstanceOf(SlotOccupied);
    await retire({ existing: [incumbentId, other] });
    expect(await ids()).toEqual([incumbentId, other].sort());
  });

  it('is never the one in use, even where the journal does not know it', async () => {
    await retire({ existing: [], more: [] }, { known: journal({ existing: [] }).known.slice(1) });
    await issue({ existing: [], attempts: 2 }, { known: journal({ existing: [] }).known.slice(1) });
    expect(await ids()).toContain(incumbentId);
  });
});

describe('two attempts at once', () => {
  it('leave a key alone that was made after this one began', async () => {
    await lose();
    const began = clock.now();
    iam.around = async ({ action }, send) => {
      const answer = (await send()) as { AccessKeyMetadata?: { AccessKeyId: string; CreateDate: Date }[] };
      if (action !== 'ListAccessKeys') return answer;
      for (const key of answer.AccessKeyMetadata ?? []) {
        if (key.AccessKeyId !== incumbentId) key.CreateDate = new Date(began.getTime() + 60_000);
      }
      return answer;
    };
    await expect(issue()).rejects.toBeInstanceOf(TransientFailure);
    expect(await ids()).toHaveLength(2);
  });

  it('let the one that finds no room try again later, when it finds the other', async () => {
    await lose();
    await expect(issue({ attempts: 1 })).rejects.toBeInstanceOf(TransientFailure);
    await issue({ attempts: 2 });
  });

  it('let it try again later, too, while IAM still counts a deleted key', async () => {
    iam.around = async ({ action }, send) => {
      const { LimitExceededException } = await import('@aws-sdk/client-iam');
      if (action === 'CreateAccessKey') throw new LimitExceededException({ message: '2', $metadata: {} });
      return await send();
    };
    await expect(issue({ attempts: 1 })).rejects.toBeInstanceOf(TransientFailure);
  });
});

describe('a request for a key', () => {
  let server: Server;
  let requests = 0;
  let behave: 'end' | 'fail';
  beforeAll(async () => {
    server = createServer((request, response) => {
      requests += 1;
      request.resume();
      if (behave === 'end') request.socket.destroy();
      else response.writeHead(500).end('<ErrorResponse><Error><Code>ServiceFailure</Code></Error></ErrorResponse>');
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => void server.close(resolve)));

  it.each(['end', 'fail'] as const)(
    'is sent once when its answer is lost (%s), unlike one that only asks',
    async (how) => {
      behave = how;
      const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
      const aws = {
        ...AWS_CLIENTS,
        iam: (config: object) => new IAMClient({ endpoint, region: 'us-east-1', credentials, ...config }),
      };
      const rotator = iamRotator({ clock, aws });
      const input = { settings: settings(), admin: undefined, incumbent: adopted.incumbent, versionId: 'v2' };
      requests = 0;
      const written = journal({ attempts: 1 });
      const issued = rotator.issue({ ...input, ...written, startedAt: since, candidate: 'new key' });
      await expect(issued).rejects.toBeInstanceOf(TransientFailure);
      expect(requests).toBe(1);
      await expect(rotator.preflight({ ...input, known: [] })).rejects.toBeInstanceOf(TransientFailure);
      expect(requests).toBe(3);
    },
  );
});
