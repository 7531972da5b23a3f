import { afterEach, describe, expect, it } from 'vitest';

import { asAdmin, login, loginRoles, REFUSED } from '../harness/deployed/database.ts';
import { type Example, EXAMPLES } from '../harness/deployed/examples.ts';
import { eventually } from '../harness/deployed/eventually.ts';
import { ended } from '../harness/deployed/executions.ts';
import { alertOf, alertsAbout } from '../harness/deployed/mailbox.ts';
import { PostgresProxy } from '../harness/deployed/postgres-proxy.ts';
import { executionOf, recordOf, rotate, untilRetired } from '../harness/deployed/rotations.ts';
import { currentDigest, currentValue, putCurrent, valueOf, versionsOf } from '../harness/deployed/secrets.ts';

const proxies: PostgresProxy[] = [];

afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.stop();
});

describe('a rotation that cannot go on is rolled back, and the next one succeeds once the cause is gone:', () => {
  it("the administrator's password is wrong", async () => {
    const { adminSecret } = EXAMPLES.adminRefused;
    const right = await currentValue(adminSecret);
    await putCurrent(adminSecret, { ...right, password: `wrong ${right.username}` });
    await rollsBack(EXAMPLES.adminRefused, 'AdminRefused');
    await putCurrent(adminSecret, right);
    await succeeds(EXAMPLES.adminRefused);
  });

  it('the server cannot be reached', async () => {
    const proxy = await PostgresProxy.inFrontOf(EXAMPLES.unreachable);
    proxies.push(proxy);
    proxy.hangsUpOn = () => true;
    await rollsBack(EXAMPLES.unreachable, 'TargetUnreachable');
    proxy.hangsUpOn = () => false;
    await succeeds(EXAMPLES.unreachable);
  });

  it("a role that somebody made by hand has the candidate's name: it is left as it is", async () => {
    const name = `${EXAMPLES.occupied.role}_a`;
    const facts = `SELECT oid, rolcanlogin, rolpassword IS NULL AS "isOpen", rolconfig, shobj_description(oid, 'pg_authid') AS comment FROM pg_authid LEFT JOIN LATERAL (SELECT setconfig AS rolconfig FROM pg_db_role_setting WHERE setrole = oid) s ON true WHERE rolname = '${name}'`;
    await asAdmin(`CREATE ROLE ${name} NOLOGIN`);
    const before = await asAdmin(facts);
    await rollsBack(EXAMPLES.occupied, 'SlotOccupied');
    expect(await asAdmin(facts)).toEqual(before);
    await asAdmin(`DROP ROLE ${name}`);
    await succeeds(EXAMPLES.occupied);
  });

  it('the candidate can do less than the incumbent', async () => {
    const { secret, role } = EXAMPLES.unproven;
    const first = await rotate(secret);
    await untilRetired(secret, (await recordOf(secret)).rotation?.incumbentVersionId);
    await asAdmin(`GRANT pg_monitor TO ${role}_a`); // To the login role, where the owner role was meant.
    const id = await rollsBack(EXAMPLES.unproven, 'CandidateUnproven', [`${role}_a`]);
    expect(await login(await valueOf(secret, id))).toMatch(REFUSED);
    expect(await login(await valueOf(secret, first.rotation_id))).toBe('accepted');
    await asAdmin(`REVOKE pg_monitor FROM ${role}_a`);
    await succeeds(EXAMPLES.unproven);
  });
});

describe('a server that goes away when the candidate first logs in', () => {
  it('leaves a debt that is told of, and that the next rotation pays', async () => {
    const { secret, role } = EXAMPLES.owed;
    const proxy = await PostgresProxy.inFrontOf(EXAMPLES.owed);
    proxies.push(proxy);
    let isGone = false;
    proxy.hangsUpOn = (name) => {
      isGone ||= name === `${role}_a`;
      return isGone;
    };
    const before = await currentDigest(secret);
    const { status, rotation_id: id } = await rotate(secret);
    expect(status).toBe('rolled_back');
    expect(await alertOf(secret, id, 'rotation_rolled_back')).toMatchObject({ candidate_owed: true });
    await alertOf(secret, id, 'retirement_owed');
    expect(await currentDigest(secret)).toBe(before);
    // What can log in and is not wanted is in the ledger, not forgotten.
    expect(await loginRoles(role)).toEqual([role, `${role}_a`]);
    const { ledger } = await recordOf(secret);
    expect(ledger.filter(({ owedSince }) => owedSince !== undefined)).toMatchObject([
      { identity: `${role}_a`, versionId: id, state: 'grace' },
    ]);

    proxy.hangsUpOn = () => false;
    await succeeds(EXAMPLES.owed);
    expect(await login(await valueOf(secret, id))).toMatch(REFUSED);
  });
});

/** Rotates by hand and expects the way back: label, logins, lease, one alert that names the error. Answers the id. */
async function rollsBack({ secret, role }: Example, errorName: string, roles = [role]): Promise<string> {
  const before = await currentDigest(secret);
  const { exitCode, status, fault, rotation_id: id } = await rotate(secret);
  expect({ exitCode, status, fault: fault?.name }).toEqual({ exitCode: 1, status: 'rolled_back', fault: errorName });
  expect(await ended(await executionOf(id))).toBe('FAILED');
  const alert = await alertOf(secret, id, 'rotation_rolled_back');
  expect(alert.subject).toContain(errorName);
  expect(alert.subject.length).toBeLessThanOrEqual(100);
  expect(alert['candidate_owed']).toBe(false);
  await isAsBefore(secret, before);
  expect(await loginRoles(role)).toEqual(roles);
  return id;
}

async function isAsBefore(secret: string, before: string): Promise<void> {
  expect(await currentDigest(secret)).toBe(before);
  expect(await login(await currentValue(secret))).toBe('accepted');
  expect((await versionsOf(secret)).filter(({ stages }) => stages.includes('AWSPENDING'))).toHaveLength(0);
  expect((await recordOf(secret)).lease).toBeUndefined();
}

async function succeeds({ secret }: Example): Promise<void> {
  // The recovery rule runs for every failed execution: it has ended before another rotation is asked for.
  await eventually(`the lease of ${secret}`, async () =>
    (await recordOf(secret)).lease === undefined ? true : undefined,
  );
  const { status, fault, rotation_id: id } = await rotate(secret);
  expect({ status, fault }).toEqual({ status: 'succeeded', fault: null });
  expect(await login(await currentValue(secret))).toBe('accepted');
  await alertOf(secret, id, 'rotation_succeeded');
  const kinds = (await alertsAbout(secret)).map(({ kind, rotation_id }) => `${kind} ${rotation_id}`);
  expect(new Set(kinds).size).toBe(kinds.length);
}
