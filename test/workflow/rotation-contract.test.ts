import { RotateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { describe, expect, it } from 'vitest';
import { login } from '../harness/deployed/database.ts';
import { eventually } from '../harness/deployed/eventually.ts';
import { EXAMPLES } from '../harness/deployed/examples.ts';
import { invoke } from '../harness/deployed/functions.ts';
import { alertsAbout } from '../harness/deployed/mailbox.ts';
import { recordOf } from '../harness/deployed/rotations.ts';
import { currentValue, currentVersion, valueOf } from '../harness/deployed/secrets.ts';
import { output } from '../harness/deployed/system.ts';

const { secret } = EXAMPLES.byAws;
const client = new SecretsManagerClient({});

describe("a secret whose rotation Secrets Manager's own scheduler starts", () => {
  it('rotates when the ARN of its rotation function is exchanged for that of Rekey', async () => {
    const before = await currentVersion(secret);
    expect((await recordOf(secret)).dueAt).toBeUndefined();
    const RotationLambdaARN = await output('RotationFunctionArn');
    const { VersionId: token = '' } = await client.send(
      new RotateSecretCommand({ SecretId: secret, RotationLambdaARN, RotationRules: { AutomaticallyAfterDays: 30 } }),
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
