/** One thing that is wrong with a configuration file, and where. `message` never holds what may be a secret's value. */
export interface Problem {
  /** The file as the caller named it. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units, as editors count. */
  readonly column: number;
  /** `<what was found>; <what is allowed>; did you mean "…"?` */
  readonly message: string;
}

/** How many problems are printed for one file; the rest is a number. */
export const PRINTED_PROBLEMS = 100;

/** The line that a person (and an editor's problem matcher) reads: `secrets.yaml:5:15: …`. */
export function formatProblem(problem: Problem): string {
  return `${problem.path}:${problem.line}:${problem.column}: ${problem.message}`;
}

/** The first hundred problems as lines, and how many more there are. */
export function formatProblems(problems: readonly Problem[]): readonly string[] {
  const lines = problems.slice(0, PRINTED_PROBLEMS).map(formatProblem);
  const more = problems.length - lines.length;
  return more > 0 ? [...lines, `… and ${more} more`] : lines;
}

/** Problems by position, each line printed once. */
export function inFileOrder(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Set<string>();
  return problems
    .filter((problem) => {
      const key = `${problem.line}:${problem.column}:${problem.message}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    })
    .sort((a, b) => a.line - b.line || a.column - b.column);
}
