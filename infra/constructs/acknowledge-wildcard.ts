import { Stack, Validations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/** Accepts one finding of cdk-nag's wildcard rule, named as the rule names it. */
export function acknowledgeWildcard(scope: Construct, resource: string, reason: string): void {
  const flat = flatten(Stack.of(scope).resolve(resource));
  Validations.of(scope).acknowledge({ id: `AwsSolutions-IAM5[Resource::${flat}]`, reason });
}

/** An ARN with its references in angle brackets, as cdk-nag writes it. */
function flatten(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  const [[key, operand] = ['', '']] = Object.entries(value);
  if (key === 'Ref') return `<${String(operand)}>`;
  if (key === 'Fn::GetAtt') return `<${(operand as string[]).join('.')}>`;
  if (key === 'Fn::Join') return (operand as [string, unknown[]])[1].map(flatten).join((operand as [string])[0]);
  return '';
}
