import {
  type Action,
  type ActionContext,
  type AgentDeclaration,
  credentialNames,
  type OnError,
} from './agent-declaration.ts';
import { isAuthError as looksLikeAuthError } from './auth-error.ts';
import { describeFailure } from './describe-failure.ts';
import { AgentMisdeclared, NotApproved } from './errors.ts';
import { openSecrets } from './open-secrets.ts';
import type { SecretsOptions } from './options.ts';
import type { SecretValue } from './secret-value.ts';
import type { Secrets } from './secrets.ts';

export interface SpawnOptions extends Omit<SecretsOptions, 'agent'> {
  /** Whether an action with `require_approval` may run now. Without it such an action fails with `NotApproved`. */
  readonly approve?: (request: {
    readonly agent: string;
    readonly action: string;
    readonly input: unknown;
  }) => boolean | Promise<boolean>;
  /** Called when an action with `on_error` has failed; `error` holds no value of the agent's credentials. */
  readonly onNotify?: (notification: {
    readonly to: 'admin' | 'security_team';
    readonly agent: string;
    readonly action: string;
    readonly error: string;
  }) => unknown;
  /** Runs the `query` of actions that have no `run`. */
  readonly runQuery?: (query: string, context: ActionContext<string>) => unknown;
  /** Which errors mean that the target refused the credential. Default `isAuthError`. */
  readonly isAuthError?: (error: unknown) => boolean;
}

/** A running agent: its declared actions, with credentials that follow their rotations. */
export interface Agent<Name extends string, ActionName extends string> {
  readonly name: string;
  readonly role: string | undefined;
  readonly secrets: Secrets<Name>;
  /**
   * Runs an action with its credential as it is now. Where the target refuses that, looks for another once and runs it
   * once more. Throws what the action threw, after whoever `on_error` names has been told.
   */
  readonly run: (action: ActionName, input?: unknown) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/** Opens an agent's declared credentials. Throws `AgentMisdeclared`, and what `openSecrets` throws. */
export async function spawn<
  Auto extends string = never,
  Required extends string = never,
  ActionName extends string = never,
>(
  declaration: AgentDeclaration<Auto, Required, ActionName>,
  options: SpawnOptions = {},
): Promise<Agent<Auto | Required, ActionName>> {
  const { approve: _, onNotify: __, runQuery: ___, isAuthError: ____, ...secretsOptions } = options;
  const names = credentialNames(declaration);
  requireConsistent(declaration, names, options);
  const secrets = await openSecrets(names, { ...secretsOptions, agent: declaration.name });
  const runner = new ActionRunner({ agent: declaration.name, names, secrets, options });
  const actions = new Map(declaration.actions.map((action) => [action.name, action]));
  return {
    name: declaration.name,
    role: declaration.role,
    secrets,
    run: async (name, input) => {
      const action = actions.get(name);
      if (action === undefined) throw new AgentMisdeclared(`The agent "${declaration.name}" has no action "${name}".`);
      return runner.run(action, input);
    },
    close: () => secrets.close(),
  };
}

class ActionRunner<Name extends string> {
  readonly #agent: string;
  readonly #names: readonly Name[];
  readonly #secrets: Secrets<Name>;
  readonly #options: SpawnOptions;
  /** The agent's only credential; `undefined` when it has several. */
  readonly #only: Name | undefined;

  constructor(parts: {
    readonly agent: string;
    readonly names: readonly Name[];
    readonly secrets: Secrets<Name>;
    readonly options: SpawnOptions;
  }) {
    this.#agent = parts.agent;
    this.#names = parts.names;
    this.#secrets = parts.secrets;
    this.#options = parts.options;
    const [first, ...others] = parts.names;
    this.#only = others.length === 0 ? first : undefined;
  }

  async run(action: Action<Name, string>, input: unknown): Promise<unknown> {
    try {
      if (action.require_approval === true) await this.#requireApproval(action.name, input);
      return await this.#runWithCredential(action, input);
    } catch (error) {
      if (action.on_error !== undefined) await this.#notify(action, action.on_error, error);
      throw error;
    }
  }

  async #runWithCredential(action: Action<Name, string>, input: unknown): Promise<unknown> {
    const { isAuthError = looksLikeAuthError } = this.#options;
    const used = new Map<Name, string>();
    try {
      return await this.#runOnce(action, input, used);
    } catch (error) {
      if (!isAuthError(error)) throw error;
      const replaced = await Promise.all(
        [...used].map(async ([name, versionId]) => this.#secrets.reportRefused(name, versionId)),
      );
      if (!replaced.includes(true)) throw error;
      return this.#runOnce(action, input, used);
    }
  }

  async #runOnce(action: Action<Name, string>, input: unknown, used: Map<Name, string>): Promise<unknown> {
    const use = (name: Name): SecretValue => {
      const value = this.#secrets.use(name, action.name);
      used.set(name, value.versionId);
      return value;
    };
    const { query } = action;
    const needed = action.requires_auth ?? this.#only;
    const context: ActionContext<Name> = {
      agent: this.#agent,
      action: action.name,
      input,
      query,
      secrets: { use },
      get credential() {
        if (needed !== undefined) return use(needed);
        throw new AgentMisdeclared(`The action "${action.name}" names no credential in "requires_auth".`);
      },
    };
    return action.run === undefined
      ? this.#options.runQuery?.(query ?? '', context as ActionContext<string>)
      : action.run(context);
  }

  async #requireApproval(action: string, input: unknown): Promise<void> {
    const { approve } = this.#options;
    const about = `The action "${action}" of "${this.#agent}" needs an approval`;
    if (approve === undefined) throw new NotApproved(`${about}: pass spawn an "approve" function that asks for it.`);
    if (!(await approve({ agent: this.#agent, action, input })))
      throw new NotApproved(`${about}, which was not given.`);
  }

  /** Into the audit trail, by way of the reports of uses, and to `onNotify`; a fault there covers up nothing. */
  async #notify(action: Action<Name, string>, onError: OnError, error: unknown): Promise<void> {
    const concerned = action.requires_auth === undefined ? this.#names : [action.requires_auth];
    for (const name of concerned) this.#secrets.noteFailure(name, action.name);
    try {
      await this.#options.onNotify?.({
        to: onError === 'notify_admin' ? 'admin' : 'security_team',
        agent: this.#agent,
        action: action.name,
        error: describeFailure(error, this.#secrets.values()),
      });
    } catch {
      // The action's own error is thrown after this.
    }
  }
}

function requireConsistent(
  {
    name,
    actions,
  }: {
    readonly name: string;
    readonly actions: readonly (Omit<Action<string, string>, 'run'> & { readonly run?: unknown })[];
  },
  names: readonly string[],
  { runQuery }: SpawnOptions,
): void {
  const seen = new Set<string>();
  for (const action of actions) {
    const about = `The action "${action.name}" of the agent "${name}"`;
    if (seen.has(action.name)) throw new AgentMisdeclared(`${about} is declared twice.`);
    seen.add(action.name);
    if (action.requires_auth !== undefined && !names.includes(action.requires_auth)) {
      throw new AgentMisdeclared(`${about} requires "${action.requires_auth}", which is none of its credentials.`);
    }
    if (action.run === undefined && (action.query === undefined || runQuery === undefined)) {
      throw new AgentMisdeclared(`${about} has nothing to run: give it "run", or "query" and spawn a "runQuery".`);
    }
  }
}
