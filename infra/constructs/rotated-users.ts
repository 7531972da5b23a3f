import { Stack } from 'aws-cdk-lib';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { SecretDeclaration } from '../../shared/config/declaration.ts';

/**
 * The IAM users whose access keys rotate, as permissions: each grant lists them one by one.
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
 */
export class RotatedUsers extends Construct {
  readonly #arns: readonly string[];

  constructor(scope: Construct, id: string, props: { readonly secrets: readonly SecretDeclaration[] }) {
    super(scope, id);
    const names = props.secrets.flatMap(({ type, provider }) => (type === 'iam' ? (provider?.user ?? []) : []));
    const arn = (name: string) =>
      Stack.of(this).formatArn({ service: 'iam', region: '', resource: 'user', resourceName: name });
    this.#arns = [...new Set(names)].map(arn);
  }

  /** Seeing which keys there are and making one. */
  grantIssue(grantee: IGrantable): void {
    this.#grant(grantee, ['iam:CreateAccessKey', 'iam:GetUser']);
  }

  /** Seeing which keys there are, when each was last used, disabling and deleting them. */
  grantEnd(grantee: IGrantable): void {
    this.#grant(grantee, [
      'iam:DeleteAccessKey',
      'iam:GetAccessKeyLastUsed',
      'iam:ListAccessKeys',
      'iam:UpdateAccessKey',
    ]);
  }

  #grant(grantee: IGrantable, actions: string[]): void {
    if (this.#arns.length === 0) return;
    grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources: [...this.#arns] }));
  }
}
