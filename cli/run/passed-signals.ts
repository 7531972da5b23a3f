/** What is handed on to the command. SIGKILL and SIGSTOP cannot be; SIGCONT and SIGTSTP belong to the terminal. */
const PASSED = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
] as const satisfies readonly NodeJS.Signals[];

/** Those that a terminal sends to the command too, because it is in the same foreground group. */
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH']);

/** Where this process's signals come from: `process`, or what a test has instead. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

/** Calls `handle` with every signal, and whether it is to be handed on. Answers how to stop. */
export function listenToSignals(
  source: SignalSource,
  isTerminal: boolean,
  handle: (signal: NodeJS.Signals, isToBePassed: boolean) => void,
): () => void {
  const listeners = PASSED.map((signal) => {
    const listener = (): void => handle(signal, !(isTerminal && FROM_TERMINAL.has(signal)));
    source.on(signal, listener);
    return [signal, listener] as const;
  });
  return () => {
    for (const [signal, listener] of listeners) source.off(signal, listener);
  };
}
