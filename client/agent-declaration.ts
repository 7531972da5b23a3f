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
  /**
   * The one that `requires_auth` names, else the agent's only one; counted under the action's name when it is asked for.
   * Throws `AgentMisdeclared` where that says none.
   */
  readonly credential: SecretValue;
  /** Any credential of the agent, counted under the action's name. */
  readonly secrets: { readonly use: (name: Name) => SecretValue };
}

/** An action without `run` needs a `query` and the agent's `runQuery`. */
export interface Action<Name extends string, ActionName extends string> {
  readonly name: ActionName;
  readonly requires_auth?: Name;
  readonly on_error?: OnError;
  /** The action runs only after the agent's `approve` has said so. */
  readonly require_approval?: boolean;
  readonly query?: string;
  readonly run?: (context: ActionContext<Name>) => unknown;
}

/** `Auto` are the names under `credentials`, `Required` those under `requires_credentials`. */
export interface AgentDeclaration<Auto extends string, Required extends string, ActionName extends string> {
  readonly name: string;
  readonly role?: string;
  readonly credentials?: Credentials<Auto>;
  readonly requires_credentials?: RequiredCredentials<Required>;
  readonly actions: readonly Action<NoInfer<Auto> | NoInfer<Required>, ActionName>[];
}

/** The declared credentials, each once. */
export function credentialNames<Auto extends string, Required extends string>({
  credentials,
  requires_credentials: required = [],
}: AgentDeclaration<Auto, Required, string>): readonly (Auto | Required)[] {
  const listed = Array.isArray(required) ? (required as readonly Required[]) : (Object.keys(required) as Required[]);
  return [...new Set<Auto | Required>([...(Object.keys(credentials ?? {}) as Auto[]), ...listed])];
}
