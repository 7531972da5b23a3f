import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConcurrentModificationException, IAMClient } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  OrphanInDoubt,
  RekeyError,
  RetirementPending,
  SlotOccupied,
  Throttled,
  TransientFailure,
} from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { hasMadeNothing } from '../../shared/rotation/bring-in.ts';
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
  iam.date = undefined;
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
  readonly explained?: number;
  readonly identity?: string;
  readonly more?: readonly KnownCredential[];
  readonly existing?: readonly string[];
}
function journal({
  attempts = 2,
  explained,
  identity = 'new key',
  more = [],
  existing = [incumbentId],
}: Journal = {}): {
  readonly issuance: Issuance;
  readonly known: readonly KnownCredential[];
} {
  const issuance = { since, existing, attempts, explained };
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
/** What the audit trail says of a key that nobody has the value of. */
const described = (id: string) =>
  expect.stringMatching(new RegExp(`^${id} \\(Active, created 20[-0-9T:]+\\.000Z, never used\\)$`)) as string;
const ids = async () => [...(await iam.keysOf(user)).keys()].sort();
const created = (id: string, at: Date | undefined) => {
  iam.around = async (_, send) => {
    const answer = (await send()) as {
      AccessKeyMetadata?: { AccessKeyId: string; CreateDate?: Date | undefined }[];
    };
    for (const key of answer.AccessKeyMetadata ?? []) if (key.AccessKeyId === id) key.CreateDate = at;
    return answer;
  };
};

describe('what a lost answer has left', () => {
  it('is disabled, then deleted, before the next key is made', async () => {
    const lost = idOf(await lose());
    iam.calls.length = 0;
    const { identity, facts } = await issue();
    expect(facts).toEqual({ user, removed_leftovers: described(lost) });
    expect(await ids()).toEqual([incumbentId, identity].sort());
    const changes = iam.calls.map(({ action }) => action).filter((action) => /^(Create|Update|Delete)/.test(action));
    expect(changes).toEqual(['UpdateAccessKey', 'DeleteAccessKey', 'CreateAccessKey']);
  });

  it('is ended by a retirement without a value, twice, beside a survivor', async () => {
    const lost = idOf(await lose());
    expect(await retire({ attempts: 1 })).toEqual({
      refusedLogin: false,
      endedSessions: 0,
      facts: { user, removed_leftovers: described(lost) },
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
    expect((await issue()).facts['removed_leftovers']).toEqual(described(lost));
  });

  it('is known although IAM does not say at once that nobody has used it', async () => {
    const lost = idOf(await lose());
    const toldFrom = clock.now().getTime() + 14_000;
    iam.around = async ({ action }, send) => {
      if (action === 'GetAccessKeyLastUsed' && clock.now().getTime() < toldFrom) throw refusal('AccessDenied');
      return await send();
    };
    const input = { settings: settings(), admin: undefined, incumbent: adopted.incumbent, versionId: 'v2' };
    await iam.rotator(clock).preflight({ ...input, known: journal({ attempts: 1 }).known });
    expect((await issue()).facts['removed_leftovers']).toEqual(described(lost));
  });

  it('is looked for once where so much time has passed that it would be there', async () => {
    clock.advance(46);
    iam.calls.length = 0;
    expect((await retire({ attempts: 1 })).facts['access_key']).toMatch(/^none was found/);
    expect(iam.calls.map(({ action }) => action)).toEqual(['GetCallerIdentity', 'ListAccessKeys']);
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
      async (key) => created(idOf(key), new Date(since.getTime() - 3_001)),
    ],
    [
      'was made after: the first of the attempts asks within 15 s, for 15 s',
      /made after the rotation/,
      async (key) => created(idOf(key), new Date(since.getTime() + 30_000 + 2_001)),
    ],
    ['was made nobody knows when', /does not say when it was made/, async (key) => created(idOf(key), undefined)],
    [
      'was made by a clock that nobody knows',
      /does not say what time it has/,
      async () => {
        iam.date = () => undefined;
      },
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
    clock.advance(60);
    for (const run of [() => issue(), () => retire({ attempts: 1 })]) {
      const error = (await run().catch((thrown: unknown) => thrown)) as Error;
      expect(error).toBeInstanceOf(OrphanInDoubt);
      expect(error.message).toMatch(reason);
      expect(error.message).toContain(idOf(key));
    }
    expect((await iam.keysOf(user)).get(idOf(key))).toBe('Active');
  });

  it('because it was used while Rekey looked at it is turned on again', async () => {
    const key = await iam.makeKey(user);
    for (const [run, wasActive] of [
      [() => issue(), true],
      [() => retire({ attempts: 1 }), false],
    ] as const) {
      let looks = 0;
      iam.around = async ({ action }, send) => {
        if (action !== 'GetAccessKeyLastUsed') return await send();
        looks += 1;
        // To IAM a use may become known late.
        return looks < 4 ? { AccessKeyLastUsed: {} } : { AccessKeyLastUsed: { LastUsedDate: new Date() } };
      };
      if (!wasActive) await iam.setStatus(user, idOf(key), 'Inactive');
      await expect(run()).rejects.toBeInstanceOf(OrphanInDoubt);
      expect(looks).toBe(4);
      expect((await iam.keysOf(user)).get(idOf(key))).toBe(wasActive ? 'Active' : 'Inactive');
    }
  });

  it('because there are more than there were attempts is not touched, nor is any other', async () => {
    await iam.deleteKey(user, incumbentId);
    const keys = [idOf(await iam.makeKey(user)), idOf(await iam.makeKey(user))].sort();
    const nobody = { incumbent: undefined };
    await expect(issue({ existing: [] }, nobody)).rejects.toBeInstanceOf(OrphanInDoubt);
    // The first two of the three attempts are explained: one made what the ledger names, one surely nothing.
    const told = { existing: [], attempts: 4, explained: 2 };
    await expect(issue(told, nobody)).rejects.toBeInstanceOf(OrphanInDoubt);
    await expect(retire({ ...told, attempts: 3 }, { survivor: undefined })).rejects.toBeInstanceOf(OrphanInDoubt);
    expect(await ids()).toEqual(keys);
  });

  it('because no attempt can have made it is not touched, nor in doubt', async () => {
    const other = idOf(await iam.makeKey(user));
    for (const written of [
      { attempts: 1, explained: 1 },
      { attempts: 1, identity: 'AKIAALREADYGONE00000' },
    ]) {
      const { facts } = await retire(written);
      expect(facts['removed_leftovers']).toBeUndefined();
    }
    // This attempt does not count either; when it is tried again, the key is in the way.
    const written = { attempts: 2, explained: 1 };
    await expect(issue(written)).rejects.toBeInstanceOf(Throttled);
    const input = { settings: settings(), admin: undefined, incumbent: adopted.incumbent, versionId: 'v2' };
    const { known } = journal({ ...written, attempts: 1 });
    await expect(iam.rotator(clock).preflight({ ...input, known })).rejects.toBeInstanceOf(SlotOccupied);
    expect(await ids()).toEqual([incumbentId, other].sort());
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
    since = new Date(since.getTime() + 5_000);
    await lose();
    clock.advance(-10);
    await expect(issue({ attempts: 1 })).rejects.toBeInstanceOf(Throttled);
    await issue({ attempts: 2 });
  });

  it('let it try again later, too, while IAM still counts a deleted key', async () => {
    iam.around = async ({ action }, send) => {
      const { LimitExceededException } = await import('@aws-sdk/client-iam');
      if (action === 'CreateAccessKey') throw new LimitExceededException({ message: '2', $metadata: {} });
      return await send();
    };
    await expect(issue({ attempts: 1 })).rejects.toBeInstanceOf(Throttled);
  });
});

describe('an attempt', () => {
  const fault = (name: string, status: number, more: object = {}) =>
    Object.assign(new Error('said by AWS'), { name, $metadata: { httpStatusCode: status }, ...more });
  const madeNothing = async (faults: Readonly<Record<string, Error>>, written: Journal = { attempts: 1 }) => {
    iam.around = async ({ action }, send) => {
      const thrown = faults[action];
      if (thrown !== undefined) throw thrown;
      return await send();
    };
    const error: unknown = await issue(written).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RekeyError);
    return hasMadeNothing(iam.rotator(clock), error);
  };

  it.each([
    ['AWS asked to slow down', fault('Throttling', 400)],
    ['somebody else changes the user', new ConcurrentModificationException({ message: '', $metadata: {} })],
    ['a policy denied it', fault('AccessDenied', 403)],
    ['the administrator is refused', fault('InvalidClientTokenId', 403)],
    ['the clocks differ', fault('SignatureDoesNotMatch', 403, { $metadata: { clockSkewCorrected: true } })],
    ['nobody listened', fault('Error', 0, { code: 'ECONNREFUSED' })],
    ['the name is unknown', fault('Error', 0, { code: 'ENOTFOUND' })],
    ['the certificate is not trusted', fault('Error', 0, { code: 'SELF_SIGNED_CERT_IN_CHAIN' })],
  ])('has surely made nothing when %s', async (_, error) => {
    expect(await madeNothing({ CreateAccessKey: error })).toBe(true);
  });

  it.each([
    ['the connection ended', fault('Error', 0, { code: 'ECONNRESET' })],
    ['nothing came in time', fault('TimeoutError', 0)],
    ['the way was lost', fault('Error', 0, { code: 'EHOSTUNREACH' })],
    ['the connection timed out', fault('Error', 0, { code: 'ETIMEDOUT' })],
    ['AWS has a fault', fault('ServiceFailure', 500)],
    ['AWS is not available', fault('ServiceUnavailable', 503)],
  ])('may have made a key when %s', async (_, error) => {
    expect(await madeNothing({ CreateAccessKey: error })).toBe(false);
  });

  it('has surely made nothing when it did not come to the request, whatever was in the way', async () => {
    for (const error of [fault('ServiceFailure', 500), fault('Error', 0, { code: 'ETIMEDOUT' })]) {
      expect(await madeNothing({ ListAccessKeys: error }, { attempts: 2 })).toBe(true);
      expect(iam.calls.map(({ action }) => action)).not.toContain('CreateAccessKey');
    }
  });

  it('that comes too late to be known by its time asks for nothing', async () => {
    clock.advance(6);
    const error: unknown = await issue({ attempts: 1 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'TransientFailure', madeNothing: true });
    expect(await ids()).toEqual([incumbentId]);
    await issue({ attempts: 2 });
  });

  it('ends what the one before was told and did not store', async () => {
    const stored = await lose();
    const { facts } = await issue({ identity: idOf(stored), explained: 1 });
    expect(facts['removed_leftovers']).toBe(idOf(stored));
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
