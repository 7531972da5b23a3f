/** What `rekey` answers to the shell. Documented in the README. */
export const EXIT_CODE = {
  ok: 0,
  /** The command worked and what it checked is not well: an invalid file, a broken chain, a rotation that failed. */
  finding: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** Something around it is missing: no deployment, no credentials, an unreachable endpoint, no Python. */
  environment: 3,
  /** Interrupted by Ctrl-C (128 + SIGINT). */
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT_CODE)[keyof typeof EXIT_CODE];

/** Ends a command with one clear sentence that says what to do. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: ExitCode;

  constructor(sentence: string, exitCode: ExitCode = EXIT_CODE.environment, options?: { readonly cause?: unknown }) {
    super(sentence, options);
    this.exitCode = exitCode;
  }
}
