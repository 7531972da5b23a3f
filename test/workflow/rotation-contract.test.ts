import { DescribeSecretCommand, RotateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { login } from '../harness/deployed/database.ts';
import { eventually } from '../harness/deployed/eventually.ts';
import { EXAMPLES } from '../harness/deployed/examples.ts';
import { invoke } from '../harness/deployed/functions.ts';
import { alertsAbout } from '../harness/deployed/mailbox.ts';
import { recordOf } from '../harness/deployed/rotations.ts';
import { currentValue, currentVersion, valueOf } from '../harness/deployed/secrets.ts';
import { deployment, output } from '../harness/deployed/system.ts';

const { secret } = EXAMPLES.byAws;
const client = new SecretsManagerClient({});

describe("a secret whose rotation Secrets Manager's own scheduler starts", () => {
  it('is tried first, where that is wanted: its current value under a version of its own, which is gone afterwards', async () => {
    const before = { record: await recordOf(secret), current: await currentVersion(secret) };
    const { VersionId: token = '' } = await client.send(
      new RotateSecretCommand({
        SecretId: secret,
        RotationLambdaARN: await output('RotationFunctionArn'),
        RotationRules: { AutomaticallyAfterDays: 30 },
        RotateImmediately: false,
      }),
    );
    await eventually('the end of the try', async () => {
      const { VersionIdsToStages } = await client.send(new DescribeSecretCommand({ SecretId: secret }));
      return VersionIdsToStages?.[token] === undefined ? true : undefined;
    });
    expect(await evidenceOf(token)).toEqual(['rotation.test.configuration_tested']);
    expect({ record: await recordOf(secret), current: await currentVersion(secret) }).toEqual(before);
    expect(await alertsAbout(secret)).toEqual([]);
  });

  it('rotates when the ARN of its rotation function is exchanged for that of Rekey', async () => {
    const before = await currentVersion(secret);
    expect((await recordOf(secret)).dueAt).toBeUndefined();
    const RotationLambdaARN = await output('RotationFunctionArn');
    // As Terraform names its versions.
    const token = `terraform-20240101${randomInt(1e9)}`.padEnd(36, '0');
    await client.send(
      new RotateSecretCommand({
        SecretId: secret,
        ClientRequestToken: token,
        RotationLambdaARN,
        RotationRules: { AutomaticallyAfterDays: 30 },
      }),
    );
    const record = await eventually('the end of the rotation', async () => {
      const found = await recordOf(secret);
      return found.rotation?.status === 'succeeded' ? found : undefined;
    });
    expect(record.rotation).toMatchObject({ rotationId: token, requestedBy: 'secretsmanager.amazonaws.com' });
    expect(record.dueAt).toBeUndefined();
    expect(await currentVersion(secret)).toBe(token);
    expect(await login(await currentValue(secret))).toBe('accepted');
    expect(await login(await valueOf(secret, before))).toBe('accepted');
    expect(await alertsAbout(secret)).toMatchObject([{ kind: 'rotation_succeeded' }]);
  });

  it('says that a token is done, and refuses one that nobody announced', async () => {
    const token = await currentVersion(secret);
    const name = await output('RotationFunctionArn');
    const call = (ClientRequestToken: string) =>
      invoke(name, { Step: 'createSecret', SecretId: secret, ClientRequestToken });
    expect(JSON.parse((await call(token)).text)).toEqual({ outcome: 'already_current' });
    const refused = await call(crypto.randomUUID());
    expect(refused.functionError).toBeDefined();
    expect(JSON.parse(refused.text)).toMatchObject({ errorType: 'Misconfigured' });
    expect(await currentVersion(secret)).toBe(token);
  });
});

/** What the audit trail has of one rotation. */
async function evidenceOf(token: string): Promise<readonly string[]> {
  const { auditTrail } = await deployment();
  const found: string[] = [];
  for await (const { action, context } of auditTrail.read(secret)) {
    if (context['rotation_id'] === token) found.push(action);
  }
  return found;
}
