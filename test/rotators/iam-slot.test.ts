import { CreateUserCommand, DeleteUserCommand } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  AdminRefused,
  IncumbentRefused,
  Misconfigured,
  RekeyError,
  RetirementPending,
  SlotOccupied,
} from '../../shared/errors.ts';
import { systemClock } from '../../shared/clock.ts';
import { SecretText } from '../../shared/redact.ts';
import { iamRotator } from '../../shared/rotators/iam/iam-rotator.ts';
import type { KnownCredential, PreflightInput, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { IamHarness, idOf, refusal, userOf } from './iam-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

let iam: IamHarness;
let adopted: Adopted;
let user: string;
let made = 0;
beforeAll(async () => {
  iam = await IamHarness.start();
});
afterAll(() => iam.stop());
beforeEach(async () => {
  made += 1;
  adopted = await iam.adopt(`slot${made}`);
  user = userOf(adopted);
  iam.around = (_, send) => send();
});

const clock = new ManualClock(new Date().toISOString());

function input(more: Partial<PreflightInput> & { readonly declared?: Partial<RotatorSettings> } = {}): PreflightInput {
  const { declared, ...rest } = more;
  return {
    settings: {
      secretId: adopted.name,
      mode: 'two_roles',
      preheatSeconds: 5,
      healthyThreshold: 1,
      endSessions: true,
      ...adopted.declared,
      ...declared,
    },
    admin: undefined,
    incumbent: adopted.incumbent,
    versionId: 'v2',
    incumbentVersionId: 'v1',
    known: [],
    ...rest,
  };
}
const preflight = (more?: Parameters<typeof input>[0]) => iam.rotator(clock).preflight(input(more));
async function failure(more?: Parameters<typeof input>[0]): Promise<RekeyError> {
  const error = await preflight(more).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RekeyError);
  return error as RekeyError;
}
const entry = (identity: string, more: Partial<KnownCredential> = {}): KnownCredential => ({
  identity,
  versionId: 'v0',
  state: 'grace',
  ...more,
});

describe('room for one more key', () => {
  it('is there beside the incumbent: the keys that exist are told for the journal', async () => {
    const incumbent = idOf(adopted.incumbent);
    expect(await preflight()).toEqual({
      candidate: `new key of ${user} for v2`,
      incumbent,
      existing: [incumbent],
      facts: {
        user: `arn:aws:iam::000000000000:user/applications/${user}`,
        administrator: "Rekey's own role",
        access_keys: '1 of 2',
      },
    });
  });

  it('is not there beside a second key: says which, of what status, since when, and who used it last', async () => {
    const second = await iam.makeKey(user);
    const unused = await failure();
    expect(unused).toBeInstanceOf(SlotOccupied);
    expect(unused.safeMessage).toMatch(
      new RegExp(`${idOf(second)} \\(Active, created 20[-0-9T:]+\\.000Z, never used\\), not in the ledger`),
    );
    await iam.use(second);
    expect((await failure()).safeMessage).toMatch(/last used 20[-0-9T:]+\.000Z by sts in us-east-1\)/);
    await iam.setStatus(user, idOf(second), 'Inactive');
    expect((await failure()).safeMessage).toContain(`${idOf(second)} (Inactive, `);
    expect(unused.safeMessage).not.toContain(idOf(adopted.incumbent));
    await iam.deleteKey(user, idOf(second));
    await preflight();
  });

  it('comes when the grace period of the second is over', async () => {
    const second = idOf(await iam.makeKey(user));
    expect(await failure({ known: [entry(second)] })).toBeInstanceOf(RetirementPending);
    const still = await failure({ known: [entry(second, { state: 'retired' })] });
    expect(still).toBeInstanceOf(SlotOccupied);
    expect(still.safeMessage).toContain('in the ledger of this secret as retired');
  });

  it('is there beside what an earlier attempt of this very rotation has made', async () => {
    const since = new Date();
    const second = idOf(await iam.makeKey(user));
    const issuance = { since, existing: [idOf(adopted.incumbent)], attempts: 1 };
    const mine = entry('new key', { versionId: 'v2', state: 'proposed', issuance });
    await preflight({ known: [mine] });
    await preflight({ known: [{ ...mine, identity: second }] });
    expect(await failure({ known: [{ ...mine, versionId: 'v3' }] })).toBeInstanceOf(SlotOccupied);
    expect(await failure({ known: [{ ...mine, issuance: { ...issuance, existing: [second] } }] })).toBeInstanceOf(
      SlotOccupied,
    );
    const none = await failure({ known: [{ ...mine, issuance: { ...issuance, attempts: 0 } }] });
    expect(none).toBeInstanceOf(SlotOccupied);
    expect(none.safeMessage).not.toContain('lost attempt');
  });

  it('is not there beside what an earlier attempt of this rotation may have made: says why nobody knows', async () => {
    const since = new Date();
    const second = await iam.makeKey(user);
    await iam.use(second);
    const issuance = { since, existing: [idOf(adopted.incumbent)], attempts: 1 };
    const doubtful = await failure({ known: [entry('new key', { versionId: 'v2', state: 'proposed', issuance })] });
    expect(doubtful).toBeInstanceOf(SlotOccupied);
    expect(doubtful.safeMessage).toContain(
      'may be what a lost attempt of this rotation made, but somebody has used it',
    );
  });

  it('is there for a secret without a value beside one key that nobody knows, which is let alone', async () => {
    const { incumbent, existing } = await preflight({ incumbent: undefined });
    expect(incumbent).toBeUndefined();
    expect(existing).toEqual([idOf(adopted.incumbent)]);
    await iam.makeKey(user);
    const full = await failure({ incumbent: undefined });
    expect(full).toBeInstanceOf(SlotOccupied);
    expect(full.safeMessage).toContain(idOf(adopted.incumbent));
  });

  it('is counted over all pages of the list', async () => {
    const second = idOf(await iam.makeKey(user));
    iam.around = async ({ action, input: asked }, send) => {
      if (action === 'ListAccessKeys') Object.assign(asked, { MaxItems: 1 });
      return await send();
    };
    expect((await failure()).safeMessage).toContain(second);
  });
});

describe('the incumbent', () => {
  it('must be active', async () => {
    await iam.setStatus(user, idOf(adopted.incumbent), 'Inactive');
    const error = await failure();
    expect(error).toBeInstanceOf(IncumbentRefused);
    expect(error.safeMessage).toContain('is Inactive');
  });

  it('must be there, with its right secret', async () => {
    const { AccessKeyId } = JSON.parse(adopted.incumbent.reveal()) as Record<string, string>;
    const wrong = new SecretText(JSON.stringify({ AccessKeyId, SecretAccessKey: 'a-wrong-secret' }));
    expect(await failure({ incumbent: wrong })).toBeInstanceOf(IncumbentRefused);
    await iam.deleteKey(user, idOf(adopted.incumbent));
    expect(await failure()).toBeInstanceOf(IncumbentRefused);
  });

  it('may be refused for a moment, when it was made a moment ago', async () => {
    let refusals = 3;
    iam.around = async ({ action }, send) => {
      if (action !== 'GetCallerIdentity' || refusals === 0) return await send();
      refusals -= 1;
      throw refusal();
    };
    await preflight();
    expect(refusals).toBe(0);
  });

  it('must be a key of the declared user', async () => {
    const other = await iam.adopt(`other${made}`);
    const error = await failure({ incumbent: other.incumbent });
    expect(error).toBeInstanceOf(Misconfigured);
    expect(error.safeMessage).toMatch(new RegExp(`user/applications/${userOf(other)}, but .*${user}\\.$`));
  });

  it.each([
    ['a user who was made anew under the same name', { UserId: 'AIDAOLDOLDOLDOLDOLD' }],
    ['a user of the same name in another account', { Arn: 'arn:aws:iam::999999999999:user/applications/x' }],
  ])('must not be the key of %s', async (_, told) => {
    iam.around = async ({ action }, send) => {
      const answer = await send();
      return action === 'GetCallerIdentity' ? { ...answer, ...told } : answer;
    };
    expect(await failure()).toBeInstanceOf(Misconfigured);
  });

  it('must not stand in its JSON a second time', async () => {
    const json = JSON.parse(adopted.incumbent.reveal()) as Record<string, string>;
    const url = `s3://${json['AccessKeyId']}@bucket`;
    expect(await failure({ incumbent: new SecretText(JSON.stringify({ ...json, url })) })).toBeInstanceOf(
      Misconfigured,
    );
  });
});

describe('the administrator', () => {
  it('is the key of admin_secret, where one is given', async () => {
    const admin = (await iam.adopt(`admin${made}`)).incumbent;
    iam.calls.length = 0;
    const { facts } = await preflight({ admin });
    expect(facts['administrator']).toBe('the key of admin_secret');
    const signers = new Set(
      iam.calls.filter(({ action }) => action !== 'GetCallerIdentity').map(({ signedBy }) => signedBy),
    );
    expect([...signers]).toEqual([idOf(admin)]);
  });

  it('is told from the incumbent when AWS refuses it', async () => {
    const { AccessKeyId } = JSON.parse(adopted.incumbent.reveal()) as Record<string, string>;
    const admin = new SecretText(JSON.stringify({ AccessKeyId, SecretAccessKey: 'a-wrong-secret' }));
    const error = await failure({ admin });
    expect(error).toBeInstanceOf(AdminRefused);
    expect(error.safeMessage).toContain('SignatureDoesNotMatch');
    expect(await failure({ admin: new SecretText('{"username":"x"}') })).toBeInstanceOf(Misconfigured);
  });

  it.each(['GetUser', 'ListAccessKeys'])('is told what it may not do: iam:%s', async (denied) => {
    iam.around = async ({ action }, send) => {
      if (action === denied) throw refusal('AccessDenied');
      return await send();
    };
    const error = await failure();
    expect(error).toBeInstanceOf(Misconfigured);
    expect(error.safeMessage).toBe(`The administrator may not do iam:${denied} on IAM user "${user}".`);
  });

  it('need not see when a key was last used to say that it is in the way', async () => {
    await iam.makeKey(user);
    iam.around = async ({ action }, send) => {
      if (action === 'GetAccessKeyLastUsed') throw refusal('AccessDenied');
      return await send();
    };
    expect((await failure()).safeMessage).toContain('last use unknown');
  });

  it('is found in the environment, as is AWS, when nothing else is given', async () => {
    for (const [name, value] of Object.entries(iam.cloud.environment)) vi.stubEnv(name, value);
    try {
      const unwaiting = { ...systemClock, sleep: async () => undefined };
      const rotations = new RotationByHand(iamRotator({ clock: unwaiting }), adopted);
      const { value } = await rotations.rotate();
      expect(await iam.whoIs(value)).toContain(`/${user}`);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe('the declaration', () => {
  it('must name a user that is there', async () => {
    expect(await failure({ declared: { provider: {} } })).toBeInstanceOf(Misconfigured);
    const nobody = await failure({ declared: { provider: { user: 'nobody' } } });
    expect(nobody).toBeInstanceOf(Misconfigured);
    expect(nobody.safeMessage).toContain('There is no IAM user "nobody"');
  });

  it('may name the path of the user', async () => {
    await preflight({ declared: { provider: { user: `applications/${user}` } } });
  });

  it('cannot narrow a key, which is told', async () => {
    for (const declared of [{ permissions: ['s3:GetObject'] }, { scope: 'production' }]) {
      const { facts } = await preflight({ declared });
      expect(facts['permissions']).toMatch(/^not narrowed/);
    }
  });
});

it('does not ask the SDK to make a user up: a deleted user is a wrong declaration', async () => {
  const UserName = `gone${made}`;
  await iam.iam.send(new CreateUserCommand({ UserName }));
  await iam.iam.send(new DeleteUserCommand({ UserName }));
  const declared = { provider: { user: UserName } };
  expect(await failure({ declared, incumbent: undefined })).toBeInstanceOf(Misconfigured);
});
