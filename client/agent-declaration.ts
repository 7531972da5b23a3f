import type { SecretValue } from './secret-value.ts';

/** How an agent may use a credential, as its grant in `secrets.yaml` says. */
export type CredentialAccess = 'minimal' | 'read' | 'write' | 'admin';

/** `auto_fetch`: the secret of that name, fetched and followed. */
export type Credentials<Name extends string> = Readonly<Record<Name, 'auto_fetch'>>;

/** A list of names, or a map with the access that each is needed for. */
export type RequiredCredentials<Name extends string> = readonly Name[] | Readonly<Record<Name, CredentialAccess>>;

export type OnError = 'notify_admin' | 'notify_security_team';

/** What an action's `run` gets: the credentials that its agent declared, as they are now. */
export interface ActionContext<Name extends string, Input = unknown> {
  readonly agent: string;
  readonly action: string;
  readonly input: Input;
  /** As declared with the action. */
  readonly query: string | undefined;
  /** Any credential of the agent, counted under the action's name. */
  readonly secrets: { use(name: Name): SecretValue };
}

interface ActionBase<ActionName extends string> {
  readonly name: ActionName;
  readonly on_error?: OnError;
  /** The action runs only after the agent's `approve` has said so. */
  readonly require_approval?: boolean;
  readonly query?: string;
}

/** An action without `run` needs a `query` and the agent's `runQuery`. */
export type Action<Name extends string, ActionName extends string> =
  | (ActionBase<ActionName> & {
      readonly requires_auth: Name;
      readonly run?: (context: ActionContext<Name> & { readonly credential: SecretValue }) => unknown;
    })
  | (ActionBase<ActionName> & {
      readonly requires_auth?: undefined;
      readonly run?: (context: ActionContext<Name>) => unknown;
    });

export interface AgentDeclaration<Name extends string, ActionName extends string> {
  readonly name: string;
  readonly role?: string;
  readonly credentials?: Credentials<Name>;
  readonly requires_credentials?: RequiredCredentials<Name>;
  readonly actions: readonly Action<NoInfer<Name>, ActionName>[];
}

/** The declared credentials, each once. */
export function credentialNames<Name extends string>({
  credentials,
  requires_credentials: required = [],
}: Pick<AgentDeclaration<Name, string>, 'credentials' | 'requires_credentials'>): readonly Name[] {
  const listed = Array.isArray(required) ? (required as readonly Name[]) : (Object.keys(required) as Name[]);
  return [...new Set([...(Object.keys(credentials ?? {}) as Name[]), ...listed])];
}
