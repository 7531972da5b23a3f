import type { ChannelModel } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { poll } from '../../infra/local/poll.ts';
import { systemClock } from '../../shared/clock.ts';
import {
  AdminRefused,
  IncumbentRefused,
  Misconfigured,
  OrphanInDoubt,
  RekeyError,
  SameAsSurvivor,
  StillAlive,
  TransientFailure,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { endedHash, isEnded } from '../../shared/rotators/rabbitmq/password-hash.ts';
import { rabbitmqRotator } from '../../shared/rotators/rabbitmq/rabbitmq-rotator.ts';
import type { ChosenRotator, RetireInput } from '../../shared/rotators/rotator.ts';
import { spoiling } from '../chaos/broken-rotators.ts';
import { ChaosWorld, RECOVERIES } from '../chaos/chaos-world.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import {
  hashOf,
  hasRabbitmq,
  OTHER_VHOST,
  parsed,
  RabbitmqHarness,
  slotOf,
  targetHarness,
  WITH_RABBITMQ,
} from './rabbitmq-harness.ts';
import { RabbitmqProxy } from './rabbitmq-proxy.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

describe.skipIf(!hasRabbitmq)(WITH_RABBITMQ, () => {
  let rabbitmq: RabbitmqHarness;
  let made = 0;
  let name: string;
  let adopted: Adopted;
  let rotations: RotationByHand;

  beforeAll(async () => {
    rabbitmq = await RabbitmqHarness.start();
  });
  afterAll(() => rabbitmq?.stop());
  beforeEach(async () => {
    made += 1;
    name = `app${made}`;
    adopted = await rabbitmq.adopt(name);
    rotations = new RotationByHand(rabbitmq.rotator(systemClock), adopted);
  });
  afterEach(() => rabbitmq.closeConnections());

  /** Brought in and promoted: what `name` held is to be retired; answers its version. */
  async function replaced(): Promise<string> {
    return rotations.promote(await rotations.bringIn());
  }

  function retire(change: Partial<RetireInput>) {
    const { current, settings, known } = rotations;
    return rotations.rotator.retire({
      settings,
      admin: adopted.admin,
      identity: name,
      versionId: 'v0',
      value: adopted.incumbent,
      survivor: current.value,
      known,
      ...change,
    });
  }

  /** The code and text that the broker closes a connection with. */
  function closing(connection: ChannelModel): Promise<string> {
    return new Promise((resolve) => connection.once('close', (error?: Error) => resolve(String(error?.message))));
  }

  describe('a user that is retired', () => {
    it('is disabled and not deleted, also when it was made by hand; its permissions stay', async () => {
      const versionId = await replaced();
      const permissions = await rabbitmq.api('GET', ['users', name, 'permissions']);
      expect(await rotations.retire(versionId)).toMatchObject({ refusedLogin: true, facts: { sessions: 'ended' } });
      const user = await rabbitmq.user(name);
      expect(user).toMatchObject({
        tags: [],
        limits: { 'max-connections': 0, 'max-channels': 500 },
        password_hash: endedHash(name, versionId).passwordHash,
      });
      expect(await rabbitmq.api('GET', ['users', name, 'permissions'])).toEqual(permissions);
    });

    it('gets another hash for each version that ends, so that none is taken for another', async () => {
      const hashes = new Set<string>();
      for (let turn = 0; turn < 3; turn += 1) {
        const { versionId } = await rotations.bringIn();
        await rotations.retire(versionId);
        hashes.add((await rabbitmq.user(slotOf(name, 'a')))?.password_hash ?? '');
      }
      expect(hashes.size).toBe(3);
    });

    it('loses its open connections, of every virtual host, and consumers are told why', async () => {
      const versionId = await replaced();
      const values = [adopted.incumbent, rabbitmq.secret({ ...parsed(adopted.incumbent), vhost: OTHER_VHOST })];
      const sessions = await Promise.all([...values, ...values].map((value) => rabbitmq.open(value)));
      const kept = await rabbitmq.open(rotations.current.value);
      const closed = sessions.map((session) => closing(session));
      expect(await rotations.retire(versionId)).toMatchObject({ endedSessions: 4, facts: { sessions: 'ended' } });
      for (const text of await Promise.all(closed)) expect(text).toMatch(/320 \(CONNECTION-FORCED\).*retired by Rekey/);
      await kept.createChannel();
    });

    it('gets no connection for a login that the broker had let through before', async () => {
      const versionId = await replaced();
      const proxy = await RabbitmqProxy.to(rabbitmq.server.port);
      try {
        proxy.holdOpening();
        const opening = rabbitmq.open(adopted.incumbent, proxy.port).then(
          () => 'opened',
          (error: Error) => error.message,
        );
        await poll(() => (proxy.heldBack > 0 ? true : undefined), { withinMilliseconds: 5_000, everyMilliseconds: 5 });
        expect(proxy.heldBack).toBeGreaterThan(0);
        expect(await rotations.retire(versionId)).toMatchObject({ refusedLogin: true, endedSessions: 0 });
        proxy.release();
        expect(await opening).toBe('Expected ConnectionOpenOk; got <ConnectionClose channel:0>');
        expect(await rabbitmq.api('GET', ['connections', 'username', name])).toEqual([]);
      } finally {
        await proxy.stop();
      }
    });

    it('keeps its connections where end_sessions is off; a later try ends them', async () => {
      rotations = new RotationByHand(rotations.rotator, adopted, { endSessions: false });
      const versionId = await replaced();
      const session = await rabbitmq.open(adopted.incumbent);
      expect(await rotations.retire(versionId, { forget: false })).toMatchObject({
        refusedLogin: true,
        endedSessions: 0,
        facts: { sessions: '1 left open, as configured' },
      });
      await session.createChannel();
      // As after a try that died between the two.
      expect(await retire({ versionId, settings: { ...rotations.settings, endSessions: true } })).toMatchObject({
        endedSessions: 1,
      });
    });

    it('is what it was when its password is what the slot has, whatever version a person has copied it to', async () => {
      await replaced();
      expect(await retire({ versionId: 'by hand' })).toMatchObject({ refusedLogin: true });
      expect((await rabbitmq.user(name))?.password_hash).toBe(endedHash(name, 'by hand').passwordHash);
    });

    it('is dead also where the broker goes on listing a connection that is none; the next rotation takes its place', async () => {
      // Without a pause: nothing is there to wait for.
      rotations = new RotationByHand(rabbitmqRotator({ clock: new ManualClock() }), adopted);
      await rotations.rotate();
      for (let turn = 0; turn < 2; turn += 1) {
        const versionId = await replaced();
        const identity = slotOf(name, turn === 0 ? 'a' : 'b');
        await rabbitmq.listOneOfThePast(identity, turn + 1);
        expect(await rotations.retire(versionId)).toMatchObject({
          refusedLogin: true,
          endedSessions: 0,
          facts: { sessions: 'ended; 1 that the broker lists are not there' },
        });
        const preflight = await rotations.preflight('v1');
        expect(preflight).toMatchObject({ candidate: identity, facts: { stale_connections: '1' } });
      }
      await rotations.rotate();
    });

    it('may have a password of the oldest algorithm', async () => {
      await rabbitmq.api('PUT', ['users', name], {
        // MD5 of the salt 01020304 and the password "old password".
        password_hash: 'AQIDBJkTxORYVASCZaFMySkrU3k=',
        hashing_algorithm: 'rabbit_password_hashing_md5',
        tags: '',
      });
      const value = rabbitmq.secret({ username: name, password: 'old password' });
      rotations = new RotationByHand(rotations.rotator, { ...adopted, incumbent: value });
      expect(await rotations.probe(value)).toBe('accepted');
      expect(await rotations.retire(await replaced())).toMatchObject({ refusedLogin: true });
    });
  });

  it('is retired also where the survivor has as many connections open as it may', async () => {
    await rabbitmq.api('PUT', ['user-limits', name, 'max-connections'], { value: 1 });
    const before = await rabbitmq.open(adopted.incumbent);
    const brought = await rotations.bringIn();
    await rotations.test(brought);
    const versionId = rotations.promote(brought);
    const after = await rabbitmq.open(brought.value);
    expect(await rotations.probe(brought.value)).toBe('accepted');
    const closed = closing(before);
    expect(await rotations.retire(versionId)).toMatchObject({ refusedLogin: true, endedSessions: 1 });
    await closed;
    await after.createChannel();
    expect(await rotations.probe(adopted.incumbent)).toBe('refused');
  });

  describe('the end of a credential that comes late', () => {
    it('leaves the user, and its connections, to the later rotation that has it', async () => {
      const first = await rotations.bringIn();
      await rotations.retire(first.versionId);
      const later = await rotations.bringIn();
      const session = await rabbitmq.open(later.value);
      const before = await rabbitmq.stateOf(slotOf(name, 'a'));
      const late = { identity: slotOf(name, 'a'), versionId: first.versionId, value: first.value };
      expect(await retire(late)).toMatchObject({
        refusedLogin: true,
        endedSessions: 0,
        facts: { user: 'it has another password: left alone' },
      });
      expect(await retire({ ...late, value: undefined })).toMatchObject({
        refusedLogin: false,
        facts: { user: 'another version has it: left alone' },
      });
      expect(await rabbitmq.stateOf(slotOf(name, 'a'))).toBe(before);
      await session.createChannel();
    });

    it('has nothing to do where somebody has deleted the user', async () => {
      const versionId = await replaced();
      await rabbitmq.api('DELETE', ['users', name]);
      expect(await rotations.retire(versionId)).toMatchObject({
        refusedLogin: true,
        facts: { user: 'it does not exist' },
      });
    });
  });

  describe('a credential whose value nobody has', () => {
    it('has ended by itself where it was never stored', async () => {
      const versionId = crypto.randomUUID();
      rotations.journal(versionId, await rotations.preflight(versionId));
      expect(await rotations.retire(versionId)).toMatchObject({ refusedLogin: false, endedSessions: 0 });
      expect(await rabbitmq.user(slotOf(name, 'a'))).toBeUndefined();
    });

    it('is not taken for a user of its name who has no password: that one logs in with a certificate', async () => {
      const versionId = crypto.randomUUID();
      rotations.journal(versionId, await rotations.preflight(versionId));
      const value = await rabbitmq.createUser(slotOf(name, 'a'));
      const session = await rabbitmq.open(value);
      await rabbitmq.api('PUT', ['users', slotOf(name, 'a')], { password_hash: '', tags: '' });
      expect(await rotations.retire(versionId)).toMatchObject({
        endedSessions: 0,
        facts: { user: 'it has no password: left alone' },
      });
      await session.createChannel();
    });

    it('is in doubt where a user of its name has a password all the same: Rekey touches nothing', async () => {
      const versionId = crypto.randomUUID();
      rotations.journal(versionId, await rotations.preflight(versionId));
      await rabbitmq.createUser(slotOf(name, 'a'));
      const before = await rabbitmq.stateOf(slotOf(name, 'a'));
      await expect(rotations.retire(versionId)).rejects.toBeInstanceOf(OrphanInDoubt);
      expect(await rabbitmq.stateOf(slotOf(name, 'a'))).toBe(before);
    });

    it.each(RECOVERIES)(
      'is still in doubt when it is met again as a debt, after a rotation that died and went on by %s',
      async (recovery) => {
        const person = { password: 'of-a-person', tags: 'management' };
        const secret = `doubt${made}`;
        const persons = slotOf(secret, 'a');
        let before: string | undefined;
        // Somebody makes a user of the candidate's name just after preflight has found nobody there.
        const spoil = spoiling<ChosenRotator>((rotator) => ({
          preflight: async (input) => {
            const answer = await rotator.preflight(input);
            if (before === undefined) await rabbitmq.api('PUT', ['users', persons], person);
            before ??= await rabbitmq.stateOf(persons);
            return answer;
          },
        }));
        // The second write is the journal's: the value is not stored yet.
        const sabotage = { effect: 2, fault: 'killed after' } as const;
        const world = await ChaosWorld.adopted(targetHarness(rabbitmq), secret, { recovery, sabotage, spoil });
        await world.rotateAndRecover();
        expect(world.saboteur.struck).toBe(true);
        expect(world.saboteur.effects).not.toContain('install');
        expect(before).toBeDefined();
        expect(await rabbitmq.stateOf(persons)).toBe(before);
        expect([...new Set(world.broken)]).toEqual([
          expect.stringMatching(/^a retirement did not come to its end: OrphanInDoubt/),
        ]);
        // The person has looked at it, and has taken another name.
        await rabbitmq.api('DELETE', ['users', persons]);
        expect(await world.nextRotation()).toBe('rotated');
        expect(await world.faults()).toEqual([]);
      },
    );

    it('is ended without that proof where it has been in use', async () => {
      const brought = await rotations.bringIn();
      rotations.promote(brought);
      rotations.promote(await rotations.bringIn());
      const { versionId } = brought;
      expect(await retire({ identity: slotOf(name, 'a'), versionId, value: undefined })).toMatchObject({
        refusedLogin: false,
        facts: { sessions: 'ended' },
      });
      const user = await rabbitmq.user(slotOf(name, 'a'));
      expect(user && isEnded(hashOf(user))).toBe(true);
      expect(await rotations.probe(brought.value)).toBe('refused');
    });
  });

  describe('nothing is ended', () => {
    let versionId: string;
    let before: string;
    beforeEach(async () => {
      versionId = await replaced();
      before = await rabbitmq.stateOf(name);
    });
    afterEach(async () => {
      expect(await rabbitmq.stateOf(name)).toBe(before);
      expect(await rotations.probe(adopted.incumbent)).toBe('accepted');
    });

    it('unless the survivor is let in', async () => {
      const survivor = rabbitmq.secret({ ...parsed(rotations.current.value), password: 'not this' });
      await expect(retire({ versionId, survivor })).rejects.toBeInstanceOf(IncumbentRefused);
    });

    it('unless its virtual host is opened to the survivor', async () => {
      const survivor = rabbitmq.secret({ ...parsed(rotations.current.value), vhost: 'not there' });
      await expect(retire({ versionId, survivor })).rejects.toBeInstanceOf(TransientFailure);
    });

    it('for a survivor that may have no connection, or none in its virtual host', async () => {
      const survivor = slotOf(name, 'a');
      await rabbitmq.api('PUT', ['user-limits', survivor, 'max-connections'], { value: 0 });
      await expect(retire({ versionId })).rejects.toBeInstanceOf(TransientFailure);
      await rabbitmq.open(rotations.current.value).catch(() => undefined);
      await rabbitmq.api('PUT', ['user-limits', survivor, 'max-connections'], { value: 1 });
      await rabbitmq.open(rotations.current.value);
      await rabbitmq.api('DELETE', ['permissions', '/', survivor]);
      await expect(retire({ versionId })).rejects.toBeInstanceOf(TransientFailure);
    });

    it('of the user that the survivor uses, or of the administrator', async () => {
      await expect(retire({ versionId, survivor: adopted.incumbent })).rejects.toBeInstanceOf(SameAsSurvivor);
      const { adminUser, adminPassword } = rabbitmq.server;
      const value = rabbitmq.secret({ username: adminUser, password: adminPassword });
      await expect(retire({ versionId, identity: adminUser, value })).rejects.toBeInstanceOf(Misconfigured);
      expect(await rotations.probe(value)).toBe('accepted');
    });

    it('with a value of another user', async () => {
      await expect(retire({ versionId, identity: slotOf(name, 'b') })).rejects.toBeInstanceOf(Misconfigured);
    });

    it('by an administrator who is refused, or is none', async () => {
      const { adminUser } = rabbitmq.server;
      const refused = new SecretText(JSON.stringify({ username: adminUser, password: 'a-leaked-value' }));
      const error = await retire({ versionId, admin: refused }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(AdminRefused);
      expect((error as RekeyError).safeMessage).not.toContain('a-leaked-value');
      // It has the tag "monitoring": it may look at everything, and change nothing.
      await expect(retire({ versionId, admin: await rabbitmq.createUser(`${name}x`) })).rejects.toThrow(
        /tag "administrator"/,
      );
      await expect(retire({ versionId, admin: undefined })).rejects.toBeInstanceOf(Misconfigured);
    });
  });

  it('says that a credential lives when the broker takes it although its user has ended', async () => {
    const versionId = await replaced();
    // As with a second source of users behind the broker's own: on its way the login becomes that of another user.
    const { username, password } = parsed(adopted.incumbent);
    const other = `x${username.slice(1)}`;
    await rabbitmq.createUser(other, password);
    const proxy = await RabbitmqProxy.to(rabbitmq.server.port);
    try {
      proxy.swap(`\0${username}\0`, `\0${other}\0`);
      const value = rabbitmq.secret({ username, password, port: proxy.port });
      await expect(retire({ versionId, value })).rejects.toBeInstanceOf(StillAlive);
      const user = await rabbitmq.user(name);
      expect(user && isEnded(hashOf(user))).toBe(true);
    } finally {
      await proxy.stop();
    }
  });
});
