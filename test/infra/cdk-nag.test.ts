import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, it } from 'vitest';
import { synthesise } from './support/stacks.ts';

const NETWORK = {
  vpcId: 'vpc-0a1b2c3d',
  subnetIds: ['subnet-0a1b2c3d'],
  availabilityZones: ['eu-west-1a'],
  securityGroupIds: ['sg-0a1b2c3d'],
};

describe('AWS Solutions checks', () => {
  it.each([
    ['without a network', {}],
    [
      'inside a network',
      { vpc: NETWORK, adminSecretArns: ['arn:aws:secretsmanager:eu-west-1:111122223333:secret:m-AbCdEf'] },
    ],
  ])('find nothing that has no written reason, %s', async (_, context) => {
    const { app } = await synthesise({ context });
    const { violations } = new AwsSolutionsChecks().validateScope(app);
    expect(
      violations.map(({ ruleName, violatingResources }) => [
        ruleName,
        ...violatingResources.map((r) => r.resourceLogicalId ?? r.constructPath),
      ]),
    ).toEqual([]);
  });
});
