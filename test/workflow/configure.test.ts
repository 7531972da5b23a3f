import { DescribeSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { deploy } from '../../infra/main-job/deploy.ts';
import { rekey } from '../harness/deployed/command.ts';
import { login } from '../harness/deployed/database.ts';
import { EXAMPLES, secretsYaml } from '../harness/deployed/examples.ts';
import { invoke } from '../harness/deployed/functions.ts';
import { recordOf } from '../harness/deployed/rotations.ts';
import { currentDigest, currentValue } from '../harness/deployed/secrets.ts';
import { deployment, output, system } from '../harness/deployed/system.ts';

describe('Configure', () => {
  it('changes nothing when it runs again for the same file', async () => {
    const before = await declared();
    const { functionError, text } = await invoke(await output('ConfigureFunction'), { source: 'rekey.cli' });
    expect(functionError).toBeUndefined();
    const { unchanged, ...rest } = JSON.parse(text) as Record<string, readonly string[]>;
    expect(rest).toMatchObject({ created: [], adopted: [], changed: [], unsupported: [] });
    expect(unchanged).toContain(EXAMPLES.manual.secret);
    expect(await declared()).toEqual(before);
  });

  it('keeps a secret that has left the file: orphaned, its value untouched, rotated no more', async () => {
    const { secret } = EXAMPLES.leaving;
    const value = await currentValue(secret);
    const before = await currentDigest(secret);
    const config = join(system.directory, 'secrets-fewer.yaml');
    const staying = Object.values(EXAMPLES).filter((example) => example.secret !== secret);
    await writeFile(config, secretsYaml(staying, system.alerts.arn));
    await deploy({
      environment: { ...system.environment, PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter) },
      config,
      directory: system.directory,
      context: { dispatchRate: 'rate(1 minute)' },
    });
    const record = await recordOf(secret);
    expect({ status: record.status, dueAt: record.dueAt }).toEqual({ status: 'orphaned', dueAt: undefined });
    expect(await recordOf(EXAMPLES.manual.secret)).toMatchObject({ status: 'active' });
    const described = await new SecretsManagerClient({}).send(new DescribeSecretCommand({ SecretId: secret }));
    expect(described.DeletedDate).toBeUndefined();
    expect(await currentDigest(secret)).toBe(before);
    expect(await login(value)).toBe('accepted');
    const { exitCode, notes } = await rekey('rotate', secret);
    expect(exitCode).toBe(1);
    expect(notes).toContain('orphaned');
  });
});

/** Everything that Configure writes: declarations, states, its audit entries. */
async function declared() {
  const { registry, auditTrail } = await deployment();
  const found: Record<string, unknown> = {};
  for await (const { secretId, declaration, type, status } of registry.list()) {
    const entries: string[] = [];
    for await (const line of auditTrail.lines(secretId)) {
      const { action } = JSON.parse(line) as { readonly action: string };
      if (action.includes('configure')) entries.push(action);
    }
    found[secretId] = { declaration, type, status, entries };
  }
  return found;
}
