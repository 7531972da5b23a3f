import { readFile } from 'node:fs/promises';
import { escapeIdentifier } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { IncumbentRefused, SameAsSurvivor, StillAlive } from '../../shared/errors.ts';
import type { SecretText } from '../../shared/redact.ts';
import type { ChosenRotator, RotatorSettings } from '../../shared/rotators/rotator.ts';
import { parsed, PostgresHarness, SECRET_ID } from './postgresql-harness.ts';

let postgres: PostgresHarness;
let rotator: ChosenRotator;
let settings: RotatorSettings;
let owner = 0;
let name: string;
let incumbent: SecretText;
let candidate: SecretText;

beforeAll(async () => {
  postgres = await PostgresHarness.start();
});
afterAll(() => postgres.stop());
afterEach(() => postgres.closeSessions());

describe.each([['by itself'], ['by an administrator']])('a single role whose password is changed %s', (by) => {
  let values: {
    settings: RotatorSettings;
    admin: SecretText | undefined;
    incumbent: SecretText;
    versionId: string;
    startedAt: Date;
  };

  beforeEach(async () => {
    owner += 1;
    name = `Solo's "${owner}"`;
    rotator = postgres.rotator('single_role');
    settings = postgres.settings({ mode: 'single_role' });
    incumbent = await postgres.createLogin(name);
    const admin = by === 'by itself' ? undefined : postgres.admin;
    values = { settings, admin, incumbent, versionId: 'v1', startedAt: postgres.nextStart() };
    const preflight = await rotator.preflight({ ...values, known: [] });
    expect(preflight).toMatchObject({ candidate: name, incumbent: name });
    candidate = rotator.propose({ ...values, candidate: preflight.candidate });
  });

  it('opens the target with the new value only, once installed, however often', async () => {
    expect(rotator.overlap).toBe(false);
    expect(await rotator.probe(candidate, settings)).toBe('refused');
    for (const role of ['password set', 'already set']) {
      expect(await rotator.install({ ...values, candidate })).toEqual({ facts: { role } });
    }
    expect(await rotator.probe(incumbent, settings)).toBe('refused');
    expect(await rotator.test({ settings, candidate, incumbentIdentity: name })).toMatchObject({ healthy: 3 });
    for (const _ of [1, 2]) {
      const work = { settings, admin: values.admin, identity: name, versionId: 'v0' };
      const retirement = { ...work, value: incumbent, survivor: candidate };
      expect(await rotator.retire(retirement)).toMatchObject({ refusedLogin: true, endedSessions: 0 });
    }
    expect(await readFile(postgres.server.logFile, 'utf8')).not.toContain(parsed(candidate).password);
  });

  it('gets the incumbent back on roll back, before and after install', async () => {
    const work = { settings, admin: values.admin, identity: name, versionId: 'v1' };
    const rollBack = { ...work, value: candidate, survivor: incumbent };
    expect(await rotator.retire(rollBack)).toMatchObject({ refusedLogin: true });
    await rotator.install({ ...values, candidate });
    for (const _ of [1, 2]) expect(await rotator.retire(rollBack)).toMatchObject({ refusedLogin: true });
    expect(await rotator.probe(incumbent, settings)).toBe('accepted');
  });

  it('changes its own password also when its sessions become another role', async () => {
    await postgres.sql(`CREATE ROLE group${owner}; GRANT group${owner} TO "${name.replaceAll('"', '""')}"`);
    await postgres.sql(`ALTER ROLE "${name.replaceAll('"', '""')}" SET role = group${owner}`);
    await rotator.install({ ...values, candidate });
    expect(await rotator.probe(candidate, settings)).toBe('accepted');
  });

  it('is not left without a password', async () => {
    const retirement = { settings, admin: values.admin, identity: name, versionId: 'v0', value: incumbent };
    await expect(rotator.retire({ ...retirement, survivor: undefined })).rejects.toBeInstanceOf(StillAlive);
    await expect(rotator.retire({ ...retirement, survivor: incumbent })).rejects.toBeInstanceOf(SameAsSurvivor);
    expect(await rotator.probe(incumbent, settings)).toBe('accepted');
    const stale = postgres.secret({ ...parsed(incumbent), password: 'no-longer-the-one' });
    await expect(rotator.preflight({ ...values, incumbent: stale, known: [] })).rejects.toBeInstanceOf(
      IncumbentRefused,
    );
  });

  describe('that a later rotation has changed meanwhile', () => {
    it('keeps the later password when an earlier install comes late', async () => {
      const later = await changedByOthers();
      await expect(rotator.install({ ...values, candidate })).rejects.toBeInstanceOf(IncumbentRefused);
      expect(await rotator.probe(later, settings)).toBe('accepted');
      expect(await rotator.probe(candidate, settings)).toBe('refused');
    });

    it('keeps it also when it is set while the earlier install waits for its turn', async () => {
      const release = await postgres.holdLock(SECRET_ID);
      const refused = expect(rotator.install({ ...values, candidate })).rejects.toBeInstanceOf(IncumbentRefused);
      await postgres.somebodyWaits();
      const later = await changedByOthers();
      await release();
      await refused;
      expect(await rotator.probe(later, settings)).toBe('accepted');
    });

    it('keeps it also when it is set while the earlier roll back waits for its turn', async () => {
      await rotator.install({ ...values, candidate });
      const release = await postgres.holdLock(SECRET_ID);
      const work = { settings, admin: values.admin, identity: name, versionId: 'v1' };
      const rollBack = rotator.retire({ ...work, value: candidate, survivor: incumbent });
      const refused = expect(rollBack).rejects.toBeInstanceOf(IncumbentRefused);
      await postgres.somebodyWaits();
      const later = await changedByOthers();
      await release();
      await refused;
      expect(await rotator.probe(later, settings)).toBe('accepted');
      expect(await rotator.probe(candidate, settings)).toBe('refused');
    });

    async function changedByOthers(): Promise<SecretText> {
      await postgres.sql(`ALTER ROLE ${escapeIdentifier(name)} PASSWORD 'that of the later rotation'`);
      return postgres.secret({ ...parsed(incumbent), password: 'that of the later rotation' });
    }
  });
});
