/** A rule's finding; `at` is the path of keys inside the secret (the nearest that is there), the secret itself when empty. */
export interface RuleFinding {
  readonly at: readonly string[];
  readonly message: string;
}
