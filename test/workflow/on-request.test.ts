import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSecrets, type Secrets } from '../../client/index.ts';
import { rekey } from '../harness/deployed/command.ts';
import { login } from '../harness/deployed/database.ts';
import { EXAMPLES } from '../harness/deployed/examples.ts';
import { eventually } from '../harness/deployed/eventually.ts';
import { alertsAbout } from '../harness/deployed/mailbox.ts';
import { recordOf, rotate } from '../harness/deployed/rotations.ts';
import { currentValue, currentVersion, valueOf } from '../harness/deployed/secrets.ts';
import { ENVIRONMENT } from '../harness/deployed/system.ts';

const { secret } = EXAMPLES.onRequest;

describe('what a person asks of a secret that a consumer holds', () => {
  let consumer: Secrets;
  let proofs = 0;

  beforeAll(async () => {
    expect(await rotate(secret)).toMatchObject({ status: 'succeeded' });
    consumer = await openSecrets([secret], { agent: 'billing-agent', environment: ENVIRONMENT, followSeconds: 1 });
    consumer.onReload(secret, async () => {
      proofs += 1;
    });
  });
  afterAll(() => consumer.close());

  it('a reload: the consumer takes AWSCURRENT again, proves it and says so', async () => {
    const before = proofs;
    const { exitCode, output } = await rekey('reload', secret, '--json');
    expect(JSON.parse(output)).toMatchObject({
      reloads: [{ secret_id: secret, consumers: 1, reloaded: 1, missing: [] }],
    });
    expect(exitCode).toBe(0);
    expect(proofs).toBeGreaterThan(before);
  });

  it('its status: who has what, for people and for machines', async () => {
    const current = await currentVersion(secret);
    const { output: json } = await rekey('status', secret, '--json');
    expect(JSON.parse(json)).toMatchObject({
      secrets: [{ rollout: { consumers: 1, versions: [{ version_id: current, consumers: 1 }] } }],
    });
    const { output } = await rekey('status', secret, '--watch', '--times', '1');
    expect(output).toMatch(/1 consumers: 1 on on_request_app_a/);
  });

  it('a rollback: the version before is current again, both work, the consumer and people are told', async () => {
    const before = await currentVersion(secret);
    expect(await rotate(secret)).toMatchObject({ status: 'succeeded', fault: null });
    const after = await currentVersion(secret);
    expect(consumer.current(secret).versionId).toBe(after);
    const { exitCode, output } = await rekey('rollback', secret, '--json');
    expect(JSON.parse(output)).toEqual({ secret_id: secret, version_id: before, replaced_version_id: after });
    expect(exitCode).toBe(0);
    expect(await currentVersion(secret)).toBe(before);
    expect(await login(await currentValue(secret))).toBe('accepted');
    expect(await login(await valueOf(secret, after))).toBe('accepted');
    await eventually('the consumer on the version before', async () =>
      consumer.current(secret).versionId === before ? true : undefined,
    );
    const { ledger } = await recordOf(secret);
    expect(ledger.find(({ versionId }) => versionId === after)).toMatchObject({ state: 'grace' });
    const alerts = await alertsAbout(secret);
    expect(alerts.map(({ subject }) => subject)).toContainEqual(expect.stringContaining('Taken back'));
  });

  it('no debt settled where nothing is owed', async () => {
    const { exitCode, notes } = await rekey('settle', secret, '--statement', 'I believe that it is gone');
    expect(exitCode).toBe(1);
    expect(notes).toContain('nothing is owed');
  });

  it('nothing of a secret that Rekey does not know', async () => {
    for (const words of [
      ['rollback', 'test/nowhere'],
      ['reload', 'test/nowhere'],
      ['settle', 'test/nowhere', '--statement', 'seen'],
    ]) {
      const { exitCode, notes } = await rekey(...words);
      expect(exitCode).toBe(1);
      expect(notes).toContain('not registered');
    }
  });
});
