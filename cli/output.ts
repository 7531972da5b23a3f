/** Where a command writes. Injected, so that tests read what a person would see. */
export interface Output {
  /** One line of the answer, on standard output. */
  line(text: string): void;
  /** One line of progress or complaint, on standard error. */
  note(text: string): void;
  /** A terminal: colours and redrawn progress lines are welcome. */
  readonly interactive: boolean;
}

export const standardOutput: Output = {
  line: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
  interactive: process.stdout.isTTY && process.stderr.isTTY,
};
