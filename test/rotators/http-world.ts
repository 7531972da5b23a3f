import type { HttpDeclaration } from '../../shared/config/declaration.ts';
import { SecretText } from '../../shared/redact.ts';
import { httpRotator } from '../../shared/rotators/http/http-rotator.ts';
import type {
  IssuedRotator,
  IssueInput,
  IssueReport,
  KnownCredential,
  RotatorSettings,
} from '../../shared/rotators/rotator.ts';
import { ManualClock } from '../fakes/manual-clock.ts';
import { type Key, KeyServer } from '../providers/key-server.ts';
import { keyServerDeclaration } from './http-harness.ts';
import { RotationByHand } from './rotation-by-hand.ts';

interface Choices {
  /** Changes the declaration for the key server. */
  readonly declare?: (declaration: HttpDeclaration) => HttpDeclaration;
  /** The secret's value, of the key that was made by hand. */
  readonly hold?: (key: Key) => string;
  readonly admin?: string | undefined;
  readonly settings?: Partial<RotatorSettings>;
}

/** One secret at a key server, with an account of its own. */
export interface HttpSecret {
  readonly account: string;
  readonly key: Key;
  readonly rotations: RotationByHand;
  readonly declaration: HttpDeclaration;
  readonly incumbent: SecretText;
  readonly admin: SecretText | undefined;
}

/** A key server and the rotator at it, whose waits take no time. */
export class HttpWorld {
  readonly server: KeyServer;
  readonly clock = new ManualClock();
  readonly rotator: IssuedRotator;
  #secrets = 0;

  constructor(server: KeyServer) {
    this.server = server;
    // No test waits for a time limit: where one is meant, it is short.
    this.rotator = httpRotator({ clock: this.clock, limits: { answerMilliseconds: 2_000 } });
  }

  static async start(tls?: { readonly key: string; readonly cert: string }): Promise<HttpWorld> {
    return new HttpWorld(await KeyServer.start(tls));
  }

  secret(choices: Choices = {}): HttpSecret {
    const { declare = (same) => same, hold = ({ id, value }) => JSON.stringify({ value, id }), settings } = choices;
    this.#secrets += 1;
    const account = `account${this.#secrets}`;
    const key = this.server.make(account, 'made by hand');
    const declaration = declare(keyServerDeclaration(this.server.url, account));
    const adminText = 'admin' in choices ? choices.admin : JSON.stringify({ token: this.server.admin });
    const admin = adminText === undefined ? undefined : new SecretText(adminText);
    const incumbent = new SecretText(hold(key));
    const adopted = { name: account, declared: { http: declaration }, incumbent, admin };
    return {
      account,
      key,
      rotations: new RotationByHand(this.rotator, adopted, settings),
      declaration,
      incumbent,
      admin,
    };
  }

  /** One attempt, with its whole report. */
  issue(
    { rotations, admin, incumbent }: HttpSecret,
    versionId: string,
    more: {
      readonly attempts?: number;
      readonly incumbent?: SecretText | undefined;
      readonly known?: readonly KnownCredential[];
    } = {},
  ): Promise<IssueReport> {
    const { known = rotations.known } = more;
    const input: IssueInput = {
      settings: rotations.settings,
      admin,
      incumbent: 'incumbent' in more ? more.incumbent : incumbent,
      versionId,
      startedAt: rotations.nextStart(),
      candidate: `rekey-${versionId}`,
      issuance: {
        since: this.clock.now(),
        existing: [],
        explained: known.find((entry) => entry.versionId === versionId)?.issuance?.explained,
        attempts: more.attempts ?? 1,
      },
      known,
    };
    return this.rotator.issue(input);
  }

  /** Names of the keys that an account has. */
  names(account: string): readonly string[] {
    return this.server.keys(account).map(({ name }) => name);
  }
}

/** What a promise was rejected with. */
export async function faultOf(run: Promise<unknown>): Promise<Error & { readonly safeMessage?: string }> {
  return run.then(
    () => {
      throw new Error('nothing went wrong');
    },
    (error: unknown) => error as Error,
  );
}
