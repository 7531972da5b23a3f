import { App } from 'aws-cdk-lib';
import { describe, expect, it } from 'vitest';
import { readSettings, SettingsInvalid } from '../../infra/stacks/settings.ts';
import { synthesise } from './support/stacks.ts';

const read = (context: Record<string, unknown>) => readSettings(new App({ context }).node);

describe('settings from the CDK context', () => {
  it('have defaults', () => {
    expect(read({})).toEqual({ config: 'secrets.yaml', dispatchRate: 5, adminSecretArns: [] });
  });

  it.each([
    ['rate(1 minute)', 1],
    ['rate(90 minutes)', 90],
    ['rate(2 hours)', 120],
    ['rate(1 day)', 1440],
  ])('read %s as %i minutes', (dispatchRate, minutes) => {
    expect(read({ dispatchRate }).dispatchRate).toBe(minutes);
  });

  it.each(['rate(30 seconds)', 'rate(0 minutes)', 'rate(2 days)', '5 minutes', ''])(
    'refuse the rate "%s"',
    (dispatchRate) => {
      expect(() => read({ dispatchRate })).toThrow(/context dispatchRate: expected rate\(5 minutes\)/);
    },
  );

  it('take lists as JSON from the command line', () => {
    const arn = 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:master-AbCdEf';
    expect(read({ adminSecretArns: JSON.stringify([arn]) }).adminSecretArns).toEqual([arn]);
  });

  it('refuse a wildcard and what is no secret’s ARN', () => {
    expect(() => read({ adminSecretArns: ['arn:aws:secretsmanager:eu-west-1:111122223333:secret:*'] })).toThrow(
      SettingsInvalid,
    );
    expect(() => read({ adminSecretArns: ['*'] })).toThrow(SettingsInvalid);
    expect(() => read({ vpc: { vpcId: 'vpc-1' } })).toThrow(/context vpc\.subnetIds/);
  });

  it('refuse an environment that the file does not have, and name those it has', async () => {
    await expect(synthesise({ context: { environment: 'staging' } })).rejects.toThrow(
      /no "staging"; it has production/,
    );
  });
});
