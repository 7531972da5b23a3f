import { STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../infra/local/free-port.ts';
import {
  AdminRefused,
  CandidateUnproven,
  IncumbentRefused,
  Misconfigured,
  SameAsSurvivor,
  StillAlive,
  TargetUnreachable,
  Throttled,
  TransientFailure,
} from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import { AWS_CLIENTS } from '../../shared/rotators/iam/aws-clients.ts';
import { iamRotator } from '../../shared/rotators/iam/iam-rotator.ts';
import type { RetireInput, RotatorSettings, TestInput } from '../../shared/rotators/rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { IamHarness, idOf, refusal, userOf } from './iam-harness.ts';
import type { Adopted } from './target-harness.ts';

let iam: IamHarness;
let adopted: Adopted;
let user: string;
let old: SecretText;
let fresh: SecretText;
let clock: ManualClock;
let made = 0;
beforeAll(async () => {
  iam = await IamHarness.start();
});
afterAll(() => iam.stop());
beforeEach(async () => {
  made += 1;
  adopted = await iam.adopt(`spread${made}`);
  user = userOf(adopted);
  old = adopted.incumbent;
  fresh = await iam.makeKey(user);
  iam.around = (_, send) => send();
  iam.calls.length = 0;
  clock = new ManualClock();
});

const settings = (more: Partial<RotatorSettings> = {}): RotatorSettings => ({
  secretId: adopted.name,
  mode: 'two_roles',
  preheatSeconds: 30,
  healthyThreshold: 3,
  endSessions: true,
  ...adopted.declared,
  ...more,
});
const test = (more: Partial<TestInput> = {}) =>
  iam
    .rotator(clock)
    .test({ settings: settings(), candidate: fresh, incumbentIdentity: idOf(old), incumbent: old, ...more });
const retire = (more: Partial<RetireInput> = {}) =>
  iam.rotator(clock).retire({
    settings: settings(),
    admin: undefined,
    identity: idOf(old),
    versionId: 'v1',
    value: old,
    survivor: fresh,
    survivorVersionId: 'v2',
    known: [
      { identity: idOf(old), versionId: 'v1', state: 'grace' },
      { identity: idOf(fresh), versionId: 'v2', state: 'current' },
    ],
    ...more,
  });

/** STS answers the next logins with a key by this script, then by what is so: `true` takes it, an error is its answer. */
function answers(of: SecretText, script: readonly (true | Error)[], when: () => boolean = () => true): () => number {
  const rest = [...script];
  iam.around = async ({ action, signedBy }, send) => {
    if (action !== 'GetCallerIdentity' || signedBy !== idOf(of) || !when()) return await send();
    const next = rest.shift();
    if (next === undefined) return await send();
    if (next !== true) throw next;
    return { Arn: `arn:aws:iam::000000000000:user/applications/${user}`, UserId: 'AIDASPREAD', $metadata: {} };
  };
  return () => rest.length;
}
const asked = (action: string, by?: SecretText) =>
  iam.calls.filter((call) => call.action === action && (by === undefined || call.signedBy === idOf(by))).length;
const isDisabled = () => asked('UpdateAccessKey') > 0;
const isDeleted = () => asked('DeleteAccessKey') > 0;
const elapsed = async (run: () => Promise<unknown>) => {
  const start = clock.now().getTime();
  await run();
  return (clock.now().getTime() - start) / 1000;
};

describe('a new key', () => {
  it('is proved by logins in a row, apart from each other, and by the same user as before', async () => {
    const seconds = await elapsed(async () => {
      expect(await test()).toEqual({ healthy: 3, parity: ['user', 'policies of the user'] });
    });
    expect(asked('GetCallerIdentity', fresh)).toBe(3);
    expect(seconds).toBe(6);
  });

  it('is asked for over 12 s by the five checks of the default, within the 30 s of the default', async () => {
    const declared = settings({ healthyThreshold: 5 });
    const seconds = await elapsed(async () => {
      expect((await test({ settings: declared })).healthy).toBe(5);
    });
    expect(seconds).toBe(12);
    const rest = answers(fresh, [refusal(), refusal(), refusal(), true, refusal()]);
    const late = await elapsed(() => test({ settings: declared }));
    expect(rest()).toBe(0);
    expect(late).toBe(27);
  });

  it('may be refused at first, and again by another host: the count starts anew', async () => {
    const rest = answers(fresh, [refusal(), refusal(), true, true, refusal()]);
    expect((await test()).healthy).toBe(3);
    expect(rest()).toBe(0);
    expect(asked('GetCallerIdentity', fresh)).toBe(8);
  });

  it('may meet faults that pass', async () => {
    const throttled = Object.assign(new Error(), { name: 'Throttling', $metadata: { httpStatusCode: 400 } });
    const broken = Object.assign(new Error(), { name: 'InternalFailure', $metadata: { httpStatusCode: 500 } });
    answers(fresh, [true, throttled, true, broken]);
    expect((await test()).healthy).toBe(3);
  });

  it('is unproven when it stays refused, or does not stay accepted', async () => {
    answers(
      fresh,
      Array.from({ length: 100 }, () => refusal()),
    );
    const seconds = await elapsed(async () => {
      await expect(test()).rejects.toBeInstanceOf(CandidateUnproven);
    });
    expect(seconds).toBeLessThanOrEqual(30);
    expect(seconds).toBeGreaterThan(25);
    answers(
      fresh,
      Array.from({ length: 100 }, (_, index) => (index % 3 === 2 ? refusal() : true)),
    );
    await expect(test()).rejects.toBeInstanceOf(CandidateUnproven);
  });

  it('gets as many checks as are declared, however little time there is', async () => {
    const declared = settings({ preheatSeconds: 5, healthyThreshold: 100 });
    expect((await test({ settings: declared })).healthy).toBe(100);
  });

  it("is unproven as the key of another user than declared, or than the incumbent's", async () => {
    const other = await iam.adopt(`other${made}`);
    const alone = { incumbent: undefined, incumbentIdentity: undefined };
    await expect(test({ candidate: other.incumbent, ...alone })).rejects.toBeInstanceOf(CandidateUnproven);
    await expect(test({ incumbent: other.incumbent })).rejects.toBeInstanceOf(CandidateUnproven);
    await iam.deleteKey(user, idOf(old));
    await expect(test()).rejects.toBeInstanceOf(IncumbentRefused);
    expect(await test(alone)).toEqual({ healthy: 3, parity: [] });
  });
});

describe('a key that is retired', () => {
  it('is disabled, refused, deleted and refused again, after the one that goes on has been proved', async () => {
    await iam.use(old);
    expect(await retire()).toEqual({
      refusedLogin: true,
      endedSessions: 0,
      facts: {
        user,
        access_key: `${idOf(old)}: disabled, then deleted`,
        last_used: expect.stringMatching(/^20.*Z$/) as string,
        last_used_service: 'sts',
        last_used_region: 'us-east-1',
      },
    });
    expect(iam.calls.map(({ action, signedBy }) => [action, signedBy])).toEqual([
      ['GetCallerIdentity', idOf(fresh)],
      ['GetAccessKeyLastUsed', undefined],
      ['UpdateAccessKey', undefined],
      ...Array.from({ length: 5 }, () => ['GetCallerIdentity', idOf(old)]),
      ['DeleteAccessKey', undefined],
      ['GetCallerIdentity', idOf(old)],
    ]);
    expect(await iam.keysOf(user)).toEqual(new Map([[idOf(fresh), 'Active']]));
  });

  it('is done when it is gone already, and refused as often', async () => {
    await iam.deleteKey(user, idOf(old));
    expect(await retire()).toMatchObject({ refusedLogin: true, facts: { access_key: `${idOf(old)}: was gone` } });
    expect(asked('GetCallerIdentity', old)).toBe(5);
  });

  it('is dead only when every refusal of the row was one: an acceptance begins it anew', async () => {
    answers(old, [refusal(), refusal(), refusal(), refusal(), true], isDisabled);
    await retire();
    const before = iam.calls.findIndex(({ action }) => action === 'DeleteAccessKey');
    expect(iam.calls.slice(0, before).filter(({ signedBy }) => signedBy === idOf(old))).toHaveLength(10);
  });

  it('may be accepted for a while after it was disabled: it is deleted only then', async () => {
    const rest = answers(old, [true, true, true, true], isDisabled);
    await retire();
    expect(rest()).toBe(0);
    const before = iam.calls.findIndex(({ action }) => action === 'DeleteAccessKey');
    expect(iam.calls.slice(0, before).filter(({ signedBy }) => signedBy === idOf(old))).toHaveLength(9);
  });

  it('stays disabled when it is accepted for too long, and is ended by the next try', async () => {
    answers(
      old,
      Array.from({ length: 200 }, () => true as const),
      isDisabled,
    );
    const seconds = await elapsed(async () => {
      await expect(retire()).rejects.toBeInstanceOf(TransientFailure);
    });
    expect(seconds).toBe(39);
    expect((await iam.keysOf(user)).get(idOf(old))).toBe('Inactive');
    iam.around = (_, send) => send();
    await retire();
    expect((await iam.keysOf(user)).has(idOf(old))).toBe(false);
  });

  it('is not reported dead while it is accepted after its deletion', async () => {
    answers(
      old,
      Array.from({ length: 200 }, () => true as const),
      isDeleted,
    );
    await expect(retire()).rejects.toBeInstanceOf(TransientFailure);
    answers(old, [true, true], isDeleted);
    expect((await retire()).refusedLogin).toBe(true);
  });

  it('is left alone, enabled, when the one that goes on does not work', async () => {
    await iam.setStatus(user, idOf(fresh), 'Inactive');
    await expect(retire()).rejects.toBeInstanceOf(IncumbentRefused);
    expect((await iam.keysOf(user)).get(idOf(old))).toBe('Active');
  });

  it('is ended when the one that goes on is refused for a moment only', async () => {
    const rest = answers(fresh, [refusal(), refusal(), refusal()]);
    await retire();
    expect(rest()).toBe(0);
  });

  it('is never the one that goes on, whoever says so', async () => {
    for (const more of [
      { survivor: old },
      { value: fresh },
      { identity: idOf(fresh) },
      { value: undefined, identity: idOf(fresh) },
    ]) {
      await expect(retire(more)).rejects.toBeInstanceOf(SameAsSurvivor);
    }
    const unnamed = { value: fresh, identity: idOf(fresh), survivor: undefined };
    await expect(retire(unnamed)).rejects.toBeInstanceOf(Misconfigured);
    expect([...(await iam.keysOf(user)).values()]).toEqual(['Active', 'Active']);
  });

  it('is never a key of another user: that is told', async () => {
    const other = await iam.adopt(`other${made}`);
    const error: unknown = await retire({ value: other.incumbent, identity: 'x' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StillAlive);
    expect((error as Error).message).toContain(`/${userOf(other)},`);
    expect([...(await iam.keysOf(userOf(other))).values()]).toEqual(['Active']);
    expect([...(await iam.keysOf(user)).values()]).toEqual(['Active', 'Active']);
  });

  it('is both what the ledger names and what the value is, where two attempts have crossed', async () => {
    await iam.deleteKey(user, idOf(fresh));
    const stored = await iam.makeKey(user);
    const known = [{ identity: idOf(old), versionId: 'v1', state: 'proposed' as const }];
    expect((await retire({ value: stored, known, survivor: undefined })).refusedLogin).toBe(true);
    expect((await iam.keysOf(user)).size).toBe(0);
  });

  it('is none where nothing was made', async () => {
    const nothing = await retire({ value: undefined, identity: 'new key of somebody', versionId: 'v9' });
    expect(nothing).toMatchObject({
      refusedLogin: false,
      facts: { access_key: 'none was found that this rotation made' },
    });
    expect([...(await iam.keysOf(user)).values()]).toEqual(['Active', 'Active']);
  });

  it('is ended by whom the administrator is, or not at all', async () => {
    const admin = await iam.adopt(`admin${made}`);
    await iam.deleteKey(userOf(admin), idOf(admin.incumbent));
    await expect(retire({ admin: admin.incumbent })).rejects.toBeInstanceOf(AdminRefused);
    expect((await iam.keysOf(user)).get(idOf(old))).toBe('Active');
  });
});

describe('a login', () => {
  const probe = () => iam.rotator(clock).probe(old, settings());
  const error = (name: string, status: number, message = 'said by AWS') =>
    Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } });

  it.each(['InvalidClientTokenId', 'SignatureDoesNotMatch', 'UnrecognizedClientException'])(
    'is refused by %s',
    async (name) => {
      answers(old, [refusal(name)]);
      expect(await probe()).toBe('refused');
      expect(await probe()).toBe('accepted');
    },
  );

  it.each([
    ['a policy denies it', error('AccessDenied', 403), Misconfigured],
    ['AWS asks to slow down', error('Throttling', 400), Throttled],
    ['AWS has a fault', error('InternalFailure', 500), TransientFailure],
    ['it takes too long', error('TimeoutError', 0), TransientFailure],
    [
      'the clocks differ',
      error('SignatureDoesNotMatch', 403, 'Signature expired: 20260301T120000Z is now earlier than 20260301T122000Z'),
      TransientFailure,
    ],
    [
      'the SDK has found that the clocks differ',
      Object.assign(error('SignatureDoesNotMatch', 403), { $metadata: { clockSkewCorrected: true } }),
      TransientFailure,
    ],
    ['the name is unknown', Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }), TargetUnreachable],
    [
      'the certificate is not trusted',
      Object.assign(new Error('x'), { cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } }),
      TargetUnreachable,
    ],
  ])('is not refused when %s', async (_, answer, expected) => {
    answers(old, [answer]);
    const thrown: unknown = await probe().catch((reason: unknown) => reason);
    expect(thrown).toBeInstanceOf(expected);
    expect((thrown as Error).message).not.toContain('said by AWS');
  });

  it('is not refused where nobody listens', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const aws = {
      ...AWS_CLIENTS,
      sts: (config: object) => new STSClient({ region: 'us-east-1', endpoint, ...config }),
    };
    const rotator = iamRotator({ clock, aws });
    await expect(rotator.probe(old, settings())).rejects.toBeInstanceOf(TargetUnreachable);
  });

  it('is one on a connection of its own, with this very key', async () => {
    await probe();
    expect(iam.calls).toEqual([{ action: 'GetCallerIdentity', signedBy: idOf(old), input: {} }]);
  });
});
