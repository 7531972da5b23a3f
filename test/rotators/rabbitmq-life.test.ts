import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { poll } from '../../infra/local/poll.ts';
import {
  AdminRefused,
  CandidateUnproven,
  IncumbentRefused,
  Misconfigured,
  RetirementPending,
  RotationEnded,
  SlotOccupied,
  TransientFailure,
} from '../../shared/errors.ts';
import { SecretText } from '../../shared/redact.ts';
import { isHashOf } from '../../shared/rotators/rabbitmq/password-hash.ts';
import type { ChosenRotator, InstallInput, KnownCredential, PreflightInput } from '../../shared/rotators/rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import {
  hashOf,
  hasRabbitmq,
  OTHER_VHOST,
  parsed,
  RabbitmqHarness,
  slotOf,
  WITH_RABBITMQ,
} from './rabbitmq-harness.ts';
import { RabbitmqProxy } from './rabbitmq-proxy.ts';
import { RotationByHand } from './rotation-by-hand.ts';
import type { Adopted } from './target-harness.ts';

describe.skipIf(!hasRabbitmq)(WITH_RABBITMQ, () => {
  /** As long as what the harness makes; a candidate's default is 32. */
  const MIN_LENGTH = '[{validation_backend, rabbit_credential_validator_min_password_length}, {min_length, 64}]';

  let rabbitmq: RabbitmqHarness;
  let made = 0;
  let name: string;
  let slot: string;
  let adopted: Adopted;
  let rotations: RotationByHand;
  let clock: ManualClock;
  let rotator: ChosenRotator;
  const proxies: RabbitmqProxy[] = [];

  beforeAll(async () => {
    rabbitmq = await RabbitmqHarness.start({ settings: { credential_validator: MIN_LENGTH } });
  });
  afterAll(() => rabbitmq?.stop());
  beforeEach(async () => {
    made += 1;
    name = `app${made}`;
    slot = slotOf(name, 'a');
    adopted = await rabbitmq.adopt(name);
    clock = new ManualClock();
    rotator = rabbitmq.rotator(clock);
    rotations = new RotationByHand(rotator, adopted);
  });
  afterEach(async () => {
    await rabbitmq.closeConnections();
    await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
  });

  async function proxyTo(port: number): Promise<RabbitmqProxy> {
    const proxy = await RabbitmqProxy.to(port);
    proxies.push(proxy);
    return proxy;
  }

  function preflight(change: Partial<PreflightInput> = {}) {
    const { settings, known } = rotations;
    const { admin, incumbent } = adopted;
    return rotator.preflight({ settings, admin, incumbent, versionId: 'v1', known, ...change });
  }

  const admin = (username: string) => new SecretText(JSON.stringify({ username, password: 'a-leaked-value' }));

  async function administratorNamed(username: string): Promise<SecretText> {
    const password = 'x'.repeat(64);
    await rabbitmq.api('PUT', ['users', username], { password, tags: 'administrator' });
    return new SecretText(JSON.stringify({ username, password }));
  }

  const known = (state: KnownCredential['state'], versionId = 'v0'): readonly KnownCredential[] => [
    { identity: slot, versionId, state },
  ];

  describe('preflight', () => {
    it('names the user whose turn it is, and says what it found', async () => {
      expect(await preflight()).toEqual({
        candidate: slot,
        incumbent: name,
        facts: { server_version: expect.stringMatching(/^3\./), management_tls: 'none', vhost: '/' },
        fence: 'absent',
      });
      const names = [];
      for (let turn = 0; turn < 3; turn += 1) names.push((await rotations.rotate()).preflight.candidate);
      expect(names).toEqual([slot, slotOf(name, 'b'), slot]);
    });

    it('stops where the incumbent is refused', async () => {
      const incumbent = rabbitmq.secret({ username: name, password: 'a-leaked-value' });
      const error = await preflight({ incumbent }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(IncumbentRefused);
      expect((error as IncumbentRefused).safeMessage).not.toContain('a-leaked-value');
    });

    it('tells a virtual host without permissions from one that is full', async () => {
      const incumbent = rabbitmq.secret({ ...parsed(adopted.incumbent), vhost: 'not there' });
      await expect(preflight({ incumbent })).rejects.toThrow(/no permissions in virtual host "not there"/);
      await rabbitmq.open(adopted.incumbent);
      await rabbitmq.api('PUT', ['vhost-limits', '/', 'max-connections'], { value: 1 });
      try {
        // No candidate would get in either.
        await expect(preflight()).rejects.toThrow(/limit of connections is reached/);
        await expect(preflight()).rejects.toBeInstanceOf(TransientFailure);
      } finally {
        await rabbitmq.api('DELETE', ['vhost-limits', '/', 'max-connections']);
      }
    });

    it('takes an incumbent for working that has as many connections open as it may, and no more than that', async () => {
      await rabbitmq.open(adopted.incumbent);
      await rabbitmq.api('PUT', ['user-limits', name, 'max-connections'], { value: 1 });
      expect(await preflight()).toMatchObject({ candidate: slot });
      await rabbitmq.api('DELETE', ['permissions', '/', name]);
      await expect(preflight()).rejects.toThrow(/no permissions in virtual host "\/"/);
      await rabbitmq.api('PUT', ['permissions', '/', name], { configure: '', write: '', read: '' });
      await rabbitmq.api('PUT', ['user-limits', name, 'max-connections'], { value: 0 });
      await expect(preflight()).rejects.toBeInstanceOf(TransientFailure);
    });

    it('stops where the incumbent is no user of the broker’s own database', async () => {
      // As with LDAP behind the broker: it lets somebody in whom its database does not have.
      const { password } = parsed(adopted.incumbent);
      const stranger = `x${name.slice(1)}`;
      const proxy = await proxyTo(rabbitmq.server.port);
      proxy.swap(`\0${stranger}\0`, `\0${name}\0`);
      const connection = rabbitmq.connection({ port: proxy.port });
      const incumbent = rabbitmq.secret({ username: stranger, password, port: proxy.port });
      const settings = { ...rotations.settings, connection };
      await expect(preflight({ incumbent, settings })).rejects.toThrow(/not in the broker's own database/);
    });

    it('stops where the incumbent has the tag that forbids to change a user', async () => {
      await rabbitmq.api('PUT', ['users', name], { ...userBody(), tags: 'monitoring,protected' });
      await expect(preflight()).rejects.toThrow(/tag "protected"/);
    });

    it('stops where another key of the secret holds the password as well', async () => {
      const { username, password } = parsed(adopted.incumbent);
      const incumbent = rabbitmq.secret({ username, password, url: `amqps://${username}:${password}@broker/vhost` });
      await expect(preflight({ incumbent })).rejects.toThrow(/^"url" of the incumbent's secret/);
    });

    it('stops without a value: there would be no rights to copy', async () => {
      await expect(preflight({ incumbent: undefined })).rejects.toBeInstanceOf(Misconfigured);
    });

    it.each([
      ['is missing', Misconfigured, /declare admin_secret/, async () => undefined],
      ['is refused', AdminRefused, /refused the administrator's credential/, async () => admin('nobody')],
      ['has no tag for it', Misconfigured, /needs the tag/, () => rabbitmq.createUser(`${name}x`)],
      ['is the incumbent', Misconfigured, /own user cannot be one of the two/, async () => adopted.incumbent],
      ['is the candidate', Misconfigured, /own user cannot be one of the two/, () => administratorNamed(slot)],
      ['has a name that HTTP cannot send', Misconfigured, /has a colon/, async () => admin('a:b')],
    ])('stops where the administrator %s', async (_, expected, text, administrator) => {
      const error = await preflight({ admin: await administrator() }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(expected);
      expect((error as Misconfigured).safeMessage).toMatch(text);
      expect((error as Misconfigured).safeMessage).not.toContain('a-leaked-value');
    });

    it.each([
      ['of the rotated secret', { host: 'localhost' }, {}],
      ['and port of the rotated secret', {}, { port: 1 }],
    ])(
      'sends the administrator’s password to nobody where the host %s is not the declared one',
      async (_, own, declared) => {
        const proxy = await proxyTo(rabbitmq.server.managementPort);
        const incumbent = rabbitmq.secret({ ...parsed(adopted.incumbent), ...own });
        const connection = rabbitmq.connection({ managementPort: proxy.port, ...declared });
        await expect(preflight({ incumbent, settings: { ...rotations.settings, connection } })).rejects.toThrow(
          /does not name this server/,
        );
        expect(proxy.sent).toHaveLength(0);
      },
    );

    it('takes no port of the management API from the rotated secret, but from the administrator’s', async () => {
      const [wrong, right] = [
        await proxyTo(rabbitmq.server.managementPort),
        await proxyTo(rabbitmq.server.managementPort),
      ];
      const incumbent = rabbitmq.secret({ ...parsed(adopted.incumbent), ssl: false, management_port: wrong.port });
      const own = { ...parsed(rabbitmq.admin), host: '127.0.0.1', management_port: right.port, ssl: 'false' };
      const admin = new SecretText(JSON.stringify(own));
      const undeclared = new RotationByHand(rotator, { name, declared: {}, incumbent, admin });
      expect(parsed((await undeclared.rotate()).value)).toMatchObject({ username: slot, management_port: wrong.port });
      expect(wrong.sent).toHaveLength(0);
      expect(right.sent.length).toBeGreaterThan(0);
    });
  });

  describe('the place of the candidate', () => {
    it('is not taken from a version in its grace period, or in use', async () => {
      await expect(preflight({ known: known('grace') })).rejects.toBeInstanceOf(RetirementPending);
      await expect(preflight({ known: known('current') })).rejects.toBeInstanceOf(SlotOccupied);
      await expect(preflight({ known: known('proposed') })).rejects.toBeInstanceOf(SlotOccupied);
    });

    it('is free where its user was retired, deleted or never made', async () => {
      expect((await preflight({ known: known('retired') })).candidate).toBe(slot);
      await rotations.retire((await rotations.bringIn()).versionId);
      expect((await preflight({ known: known('retired') })).fence).toMatch(/^ended [0-9a-f]{32}$/);
    });

    it('is not free where a person has given the retired user a password', async () => {
      await rotations.retire((await rotations.bringIn()).versionId);
      await rabbitmq.createUser(slot);
      await expect(preflight({ known: known('retired') })).rejects.toThrow(/somebody has given it a password/);
    });

    it('is free again where a person has cleared that password', async () => {
      await rabbitmq.api('PUT', ['users', slot], { password_hash: '', tags: '' });
      expect((await preflight({ known: known('retired') })).candidate).toBe(slot);
      await expect(preflight({ known: [] })).rejects.toBeInstanceOf(SlotOccupied);
    });

    it('is not free while connections of the retired user are open', async () => {
      rotations = new RotationByHand(rotator, adopted, { endSessions: false });
      const { versionId, value } = await rotations.bringIn();
      await rabbitmq.open(value);
      await rotations.retire(versionId);
      // The clock of this rotator does not wait for them.
      await rabbitmq.untilInStatistics(slot);
      await expect(rotations.preflight('v1')).rejects.toThrow(/1 of its connections are still open/);
    });

    it('may hold what an earlier try of the same rotation has made', async () => {
      const { versionId, value, preflight: first } = await rotations.bringIn();
      const again = await rotations.preflight(versionId);
      expect(again).toMatchObject({ candidate: first.candidate, fence: 'in use' });
      // Whoever has another password there, or where none was stored, is somebody else.
      const journaled = known('proposed', versionId);
      await expect(preflight({ versionId, known: journaled })).rejects.toBeInstanceOf(SlotOccupied);
      const candidate = rabbitmq.secret({ ...parsed(value), password: 'another' });
      await expect(preflight({ versionId, candidate, known: journaled })).rejects.toBeInstanceOf(SlotOccupied);
      await install({ versionId, candidate: value, fence: again.fence });
      expect(await rotations.probe(value)).toBe('accepted');
    });
  });

  function install(change: Partial<InstallInput> & Pick<InstallInput, 'candidate'>) {
    const { settings } = rotations;
    const { admin, incumbent } = adopted;
    const startedAt = rotations.nextStart();
    return rotator.install({
      settings,
      admin,
      incumbent,
      versionId: 'v1',
      startedAt,
      fence: 'absent',
      ...change,
    });
  }

  function proposed(): SecretText {
    const { settings } = rotations;
    const { admin, incumbent } = adopted;
    return rotator.propose({ settings, admin, incumbent, versionId: 'v1', candidate: slot });
  }

  describe('install', () => {
    it('gives the candidate every right of the incumbent, and none that a retired user had besides', async () => {
      await rotations.retire((await rotations.bringIn()).versionId);
      await rabbitmq.api('PUT', ['vhosts', `only for ${slot}`]);
      await rabbitmq.api('PUT', ['permissions', `only for ${slot}`, slot], { configure: '', write: '', read: '.*' });
      await rabbitmq.api('PUT', ['permissions', '/', slot], { configure: '', write: '', read: '' });
      for (const exchange of ['', 'amq.topic', '..', 'a/b']) {
        await rabbitmq.api('PUT', ['topic-permissions', OTHER_VHOST, slot], { exchange, write: '.*', read: '.*' });
      }
      await rabbitmq.api('PUT', ['topic-permissions', '/', name], { exchange: '..', write: 'ü', read: '' });
      await rabbitmq.api('DELETE', ['user-limits', name, 'max-channels']);
      const brought = await rotations.bringIn();
      const rights = async (user: string) =>
        JSON.parse((await rabbitmq.stateOf(user)).replaceAll(user, '')) as object[];
      const [[mine], [theirs]] = [await rights(slot), await rights(name)];
      expect({ ...mine, password_hash: '', hashing_algorithm: '' }).toEqual({
        ...theirs,
        password_hash: '',
        hashing_algorithm: '',
      });
      expect(await rotations.test(brought)).toEqual({
        healthy: 1,
        parity: ['tags', 'user limits', 'permissions', 'topic permissions'],
      });
    });

    it('completes what an earlier try has left half done, and leaves the hash as it is', async () => {
      const { versionId, value } = await rotations.bringIn();
      const before = await rabbitmq.stateOf(slot);
      await rabbitmq.api('DELETE', ['permissions', '/', slot]);
      await rabbitmq.api('DELETE', ['user-limits', slot, 'max-channels']);
      await rabbitmq.api('DELETE', ['topic-permissions', '/', slot]);
      await install({ versionId, candidate: value });
      expect(await rabbitmq.stateOf(slot)).toBe(before);
    });

    it('never sends a password, and no other user’s hash', async () => {
      const proxy = await proxyTo(rabbitmq.server.managementPort);
      const connection = rabbitmq.connection({ managementPort: proxy.port });
      const watched = new RotationByHand(rotator, { ...adopted, declared: { connection } });
      const { value } = await watched.rotate();
      const sent = proxy.sent.toString('latin1');
      expect(sent).toContain(`PUT /api/users/${slot}`);
      for (const secret of [value, adopted.incumbent]) {
        const { password } = parsed(secret);
        expect(sent).not.toContain(password);
        expect(sent).not.toContain(encodeURIComponent(password));
        expect(sent).not.toContain(Buffer.from(password).toString('base64').slice(0, -4));
      }
    });

    it('is not refused by the broker’s own password policy, which sees no hash', async () => {
      const { password } = parsed((await rotations.bringIn()).value);
      expect(password).toHaveLength(32);
      await expect(rabbitmq.api('PUT', ['users', 'short'], { password, tags: '' })).rejects.toThrow(/HTTP 400/);
    });

    it('follows the declared policy', async () => {
      const policy = { length: 12, alphabet: '"\\/:@%ü😀 \n\t', require: [] };
      const odd = new RotationByHand(rotator, adopted, { policy });
      const { value } = await odd.rotate();
      expect(Array.from(parsed(value).password)).toHaveLength(12);
      expect(await odd.probe(value)).toBe('accepted');
    });

    it('takes only the name whose turn it is', async () => {
      const candidate = rabbitmq.secret({ username: slotOf(name, 'b'), password: 'x'.repeat(32) });
      await expect(install({ candidate })).rejects.toBeInstanceOf(Misconfigured);
      expect(await rabbitmq.user(slotOf(name, 'b'))).toBeUndefined();
    });
  });

  describe('an install that comes late', () => {
    it('is refused where the later rotation has the user', async () => {
      const late = await preflight();
      const { value } = await rotations.bringIn();
      const before = await rabbitmq.stateOf(slot);
      await expect(install({ candidate: proposed(), fence: late.fence })).rejects.toBeInstanceOf(RotationEnded);
      expect(await rabbitmq.stateOf(slot)).toBe(before);
      expect(await rotations.probe(value)).toBe('accepted');
    });

    it('is refused also where the later one was taken back', async () => {
      await rotations.retire((await rotations.bringIn()).versionId);
      const late = await preflight({ known: rotations.known });
      await rotations.retire((await rotations.bringIn()).versionId);
      const before = await rabbitmq.stateOf(slot);
      await expect(install({ candidate: proposed(), fence: late.fence })).rejects.toBeInstanceOf(RotationEnded);
      expect(await rabbitmq.stateOf(slot)).toBe(before);
    });

    it('is refused where a person has made a user of that name meanwhile', async () => {
      const late = await preflight();
      const value = await rabbitmq.createUser(slot);
      const before = await rabbitmq.stateOf(slot);
      for (const fence of [late.fence, 'in use', undefined]) {
        await expect(install({ candidate: proposed(), fence })).rejects.toBeInstanceOf(RotationEnded);
      }
      expect(await rabbitmq.stateOf(slot)).toBe(before);
      expect(await rotations.probe(value)).toBe('accepted');
    });

    it('is told when another writes right after it: the password is that other one’s', async () => {
      const { fence } = await preflight();
      const [slow, fast] = [
        await proxyTo(rabbitmq.server.managementPort),
        await proxyTo(rabbitmq.server.managementPort),
      ];
      const through = ({ port: managementPort }: RabbitmqProxy, candidate: SecretText) =>
        install({
          candidate,
          fence,
          settings: { ...rotations.settings, connection: rabbitmq.connection({ managementPort }) },
        });
      const write = `PUT /api/users/${slot} `;
      const [lost, won] = [proposed(), proposed()];
      // One has found the place free and is about to write; then the other finds it free, too, and has written.
      fast.holdAt(write, 'before');
      const winning = through(fast, won);
      await poll(() => (fast.heldBack === 1 ? true : undefined), { withinMilliseconds: 10_000 });
      slow.holdAt(write, 'after');
      const losing = through(slow, lost);
      const refused = expect(losing).rejects.toBeInstanceOf(RotationEnded);
      await poll(() => (slow.heldBack === 1 ? true : undefined), { withinMilliseconds: 10_000 });
      expect(await hasPassword(lost)).toBe(true);
      fast.release();
      await winning;
      slow.release();
      await refused;
      expect(await hasPassword(won)).toBe(true);
    });
  });

  async function hasPassword(value: SecretText): Promise<boolean> {
    const user = await rabbitmq.user(slot);
    return user !== undefined && isHashOf(hashOf(user), parsed(value).password) === true;
  }

  describe('test', () => {
    it('wants as many logins in a row as declared', async () => {
      const patient = new RotationByHand(rotator, adopted, { healthyThreshold: 4 });
      const brought = await patient.bringIn();
      const before = rabbitmq.logins.length;
      expect((await patient.test(brought)).healthy).toBe(4);
      expect(rabbitmq.logins.slice(before)).toEqual(Array(4).fill('accepted'));
    });

    it('gives up after the declared time', async () => {
      const brought = await rotations.bringIn();
      await rabbitmq.api('DELETE', ['permissions', '/', slot]);
      const before = clock.now().getTime();
      const testing = rotations.test(brought);
      await expect(testing).rejects.toThrow(/not healthy within 5 s: the virtual host "\/" is not opened to it/);
      await expect(testing).rejects.toBeInstanceOf(CandidateUnproven);
      expect(clock.now().getTime() - before).toBe(5_000);
      const value = rabbitmq.secret({ ...parsed(brought.value), password: 'wrong' });
      await expect(rotations.test({ value })).rejects.toThrow(/refuses its login/);
    });

    it.each([
      ['tags', () => rabbitmq.api('PUT', ['users', name], { ...userBody(), tags: 'management' })],
      [
        `permissions in ${JSON.stringify(OTHER_VHOST)}`,
        () => rabbitmq.api('PUT', ['permissions', OTHER_VHOST, name], { configure: '', write: 'b', read: '' }),
      ],
      [
        `permissions in ${JSON.stringify(OTHER_VHOST)}`,
        () => rabbitmq.api('DELETE', ['permissions', OTHER_VHOST, slot]),
      ],
      [
        'topic permissions in "/"',
        () => rabbitmq.api('PUT', ['topic-permissions', '/', slot], { exchange: 'amq.topic', write: '', read: '' }),
      ],
      ['limit max-channels', () => rabbitmq.api('PUT', ['user-limits', slot, 'max-channels'], { value: 499 })],
      ['limit max-connections', () => rabbitmq.api('PUT', ['user-limits', name, 'max-connections'], { value: 99 })],
    ])('finds another %s', async (difference, change) => {
      const brought = await rotations.bringIn();
      await change();
      await expect(rotations.test(brought)).rejects.toThrow(
        `The candidate and the incumbent differ in: ${difference}.`,
      );
    });

    it('takes no limit and one that means none as equal', async () => {
      const brought = await rotations.bringIn();
      await rabbitmq.api('PUT', ['user-limits', slot, 'max-connections'], { value: -1 });
      expect((await rotations.test(brought)).parity).toHaveLength(4);
    });
  });

  function userBody() {
    const { password } = parsed(adopted.incumbent);
    return { password, limits: { 'max-channels': 500 } };
  }

  it('tells a credential that is refused from one whose virtual host stays closed', async () => {
    const probe = (change: object) => rotations.probe(rabbitmq.secret({ ...parsed(adopted.incumbent), ...change }));
    expect(await probe({ vhost: OTHER_VHOST })).toBe('accepted');
    expect(await probe({ password: 'wrong' })).toBe('refused');
    expect(await probe({ username: 'nobody' })).toBe('refused');
    await rabbitmq.open(adopted.incumbent);
    await rabbitmq.api('PUT', ['user-limits', name, 'max-connections'], { value: 1 });
    expect(await probe({})).toBe('accepted');
    expect(await probe({ password: 'wrong' })).toBe('refused');
    const closed = probe({ vhost: 'not there' });
    await expect(closed).rejects.toBeInstanceOf(Misconfigured);
    await expect(closed).rejects.toThrow(/does not open virtual host "not there"/);
  });
});
