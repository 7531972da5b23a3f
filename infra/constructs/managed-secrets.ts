import { ArnFormat, Stack } from 'aws-cdk-lib';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { SecretDeclaration } from '../../shared/config/declaration.ts';
import { acknowledgeWildcard } from './acknowledge-wildcard.ts';

/** ARNs a statement: small enough for CDK to spread statements over several managed policies (6,144 characters each). */
const ARNS_PER_STATEMENT = 20;

type Grantee = Construct & IGrantable;

export interface ManagedSecretsProps {
  readonly secrets: readonly SecretDeclaration[];
  /** Administrator secrets that only a secret's own `masterarn` names. */
  readonly adminSecretArns: readonly string[];
}

/**
 * The declared secrets, as permissions: each grant lists their ARNs one by one, and those of their administrators'.
 * Secrets Manager adds a hyphen and six characters to a name, which `-??????` stands for
 * (https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html).
 */
export class ManagedSecrets extends Construct {
  readonly #managed: readonly string[];
  readonly #unsuffixed: readonly string[];
  readonly #admin: readonly string[];

  constructor(scope: Construct, id: string, props: ManagedSecretsProps) {
    super(scope, id);
    const names = props.secrets.map(({ name }) => name);
    const admins = props.secrets.flatMap(({ adminSecret }) => (adminSecret === undefined ? [] : [adminSecret]));
    this.#managed = distinct(names.map((name) => this.#arn(`${name}-??????`)));
    this.#unsuffixed = distinct(names.map((name) => this.#arn(name)));
    this.#admin = distinct([
      ...admins.map((admin) => (admin.startsWith('arn:') ? admin : this.#arn(`${admin}-??????`))),
      ...props.adminSecretArns,
    ]);
  }

  /** Reading versions of the declared secrets. */
  grantRead(grantee: Grantee): void {
    this.#grant(grantee, ['secretsmanager:GetSecretValue'], this.#managed);
    this.#grantKeys(grantee, ['kms:Decrypt'], this.#managed);
  }

  /** Reading, and seeing which version carries which label. */
  grantDescribe(grantee: Grantee): void {
    this.#grant(grantee, ['secretsmanager:DescribeSecret'], this.#managed);
  }

  /** Storing a candidate as a new version. */
  grantStore(grantee: Grantee): void {
    this.#grant(grantee, ['secretsmanager:PutSecretValue'], this.#managed);
    this.#grantKeys(grantee, ['kms:GenerateDataKey'], this.#managed);
  }

  /** Moving staging labels. */
  grantMoveStages(grantee: Grantee): void {
    this.#grant(grantee, ['secretsmanager:UpdateSecretVersionStage'], this.#managed);
  }

  /** Making declared secrets that do not exist yet. */
  grantCreate(grantee: Grantee): void {
    // A secret that does not exist has no suffix yet, so creation is granted on both forms.
    this.#grant(
      grantee,
      ['secretsmanager:CreateSecret', 'secretsmanager:TagResource'],
      [...this.#managed, ...this.#unsuffixed],
    );
  }

  /** Reading the administrators' credentials. */
  grantReadAdmin(grantee: Grantee): void {
    this.#grant(grantee, ['secretsmanager:GetSecretValue'], this.#admin);
    this.#grantKeys(grantee, ['kms:Decrypt'], this.#admin);
  }

  #grant(grantee: Grantee, actions: readonly string[], arns: readonly string[]): void {
    for (const resources of chunks(arns)) {
      grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions: [...actions], resources }));
    }
  }

  /** For secrets under customer keys: any key of this account, but only through Secrets Manager and for these secrets. */
  #grantKeys(grantee: Grantee, actions: readonly string[], arns: readonly string[]): void {
    const stack = Stack.of(this);
    const anyKey = stack.formatArn({ service: 'kms', resource: 'key', resourceName: '*' });
    if (arns.length > 0) acknowledgeWildcard(grantee, anyKey, 'Which key a secret is under is known at run time only.');
    for (const secretArns of chunks(arns)) {
      grantee.grantPrincipal.addToPrincipalPolicy(
        new PolicyStatement({
          actions: [...actions],
          resources: [anyKey],
          conditions: {
            StringEquals: { 'kms:ViaService': `secretsmanager.${stack.region}.amazonaws.com` },
            StringLike: { 'kms:EncryptionContext:SecretARN': secretArns },
          },
        }),
      );
    }
  }

  #arn(name: string): string {
    return Stack.of(this).formatArn({
      service: 'secretsmanager',
      resource: 'secret',
      resourceName: name,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }
}

function distinct(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}

function chunks(values: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(values.length / ARNS_PER_STATEMENT) }, (_, index) =>
    values.slice(index * ARNS_PER_STATEMENT, (index + 1) * ARNS_PER_STATEMENT),
  );
}
