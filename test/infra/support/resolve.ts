import type { Template } from 'aws-cdk-lib/assertions';

type Resource = { readonly Type: string; readonly Properties: Record<string, unknown> } & Record<string, unknown>;
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Resources of a type, by logical id. */
export function resources(template: Template, type: string): Readonly<Record<string, Resource>> {
  return template.findResources(type) as Record<string, Resource>;
}

/** A template value as one readable string or structure: references become `<LogicalId>` without CDK's hashes. */
export function readable(value: unknown): Json {
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== 'object' || value === null) return value as Json;
  const [[key, operand] = ['', undefined], ...more] = Object.entries(value);
  if (more.length === 0) {
    if (key === 'Ref') return `<${short(String(operand))}>`;
    if (key === 'Fn::GetAtt') {
      const [id = '', attribute] = operand as string[];
      return attribute === 'Arn' ? `<${short(id)}>` : `<${short(id)}.${attribute}>`;
    }
    if (key === 'Fn::ImportValue') return imported(String(operand));
    if (key === 'Fn::Join') {
      const [separator, parts] = operand as [string, unknown[]];
      return parts.map((part) => text(part)).join(separator);
    }
  }
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, readable(part)]));
}

/** `…:ExportsOutputFnGetAttConsumersTable838E8D5FStreamArn80878876` → `<ConsumersTable.StreamArn>`, as within a stack. */
function imported(exportName: string): string {
  const parts = /:ExportsOutput(?:FnGetAtt|Ref)(.+)[0-9A-F]{8}([A-Z][A-Za-z]*)?[0-9A-F]{8}$/.exec(exportName);
  const [, id = exportName, attribute = 'Arn'] = parts ?? [];
  return attribute === 'Arn' ? `<${id}>` : `<${id}.${attribute}>`;
}

function text(value: unknown): string {
  const found = readable(value);
  return typeof found === 'string' ? found : JSON.stringify(found);
}

/** `FunctionsGenerateFunctionD0D85A4D` → `FunctionsGenerateFunction`. */
function short(logicalId: string): string {
  return logicalId.replace(/[0-9A-F]{8}$/, '');
}

interface State {
  readonly Type: string;
  readonly Resource?: string;
  readonly [field: string]: Json | undefined;
}

export interface Definition {
  readonly StartAt: string;
  readonly TimeoutSeconds: number;
  readonly States: Readonly<Record<string, State>>;
}

export type MachineName = 'RotationDispatch' | 'SecretRotation' | 'VersionRetirement';

/** A synthesised state machine's definition, its references readable. */
export function definitionOf(template: Template, name: MachineName): Definition {
  const found = Object.entries(resources(template, 'AWS::StepFunctions::StateMachine')).find(([id]) =>
    id.startsWith(name),
  );
  if (found === undefined) throw new Error(`The template has no state machine ${name}.`);
  return JSON.parse(text(found[1].Properties['DefinitionString'])) as Definition;
}

/** Every task of a definition, those inside maps too, by name. */
export function tasksOf(states: Definition['States']): readonly (readonly [string, State])[] {
  return Object.entries(states).flatMap(([name, state]): readonly (readonly [string, State])[] => {
    const processor = state['ItemProcessor'] as unknown as Pick<Definition, 'States'> | undefined;
    return [...(state.Type === 'Task' ? [[name, state] as const] : []), ...tasksOf(processor?.States ?? {})];
  });
}

export interface Statement {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly condition: Json | undefined;
}

/** What roles may do, role by role, from every policy attached to it. */
export function permissions(template: Template): ReadonlyMap<string, readonly Statement[]> {
  const found = new Map<string, Statement[]>();
  for (const type of ['AWS::IAM::Policy', 'AWS::IAM::ManagedPolicy']) {
    for (const { Properties } of Object.values(resources(template, type))) {
      const document = Properties['PolicyDocument'] as { Statement: Record<string, unknown>[] };
      for (const role of readable(Properties['Roles']) as string[]) {
        const statements = found.get(role) ?? [];
        statements.push(...document.Statement.map(toStatement));
        found.set(role, statements);
      }
    }
  }
  return found;
}

function toStatement(statement: Record<string, unknown>): Statement {
  return {
    actions: list(readable(statement['Action'])),
    resources: list(readable(statement['Resource'])),
    condition: statement['Condition'] === undefined ? undefined : readable(statement['Condition']),
  };
}

function list(value: Json): readonly string[] {
  return (Array.isArray(value) ? value : [value]) as string[];
}
