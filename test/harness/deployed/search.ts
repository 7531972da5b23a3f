import { formsOf } from './forms.ts';
import type { Trace } from './traces.ts';

/** Something that must not lie about. `name` may be printed, the value never. */
export interface Wanted {
  readonly name: string;
  readonly value: string;
}

/** Where which of them was found, and in which form. Holds no value. */
export interface Finding {
  readonly name: string;
  readonly form: string;
  readonly place: string;
}

/** Looks for every form of every wanted value in all that `traces` yields. */
export async function search(
  traces: AsyncIterable<Trace> | Iterable<Trace>,
  wanted: readonly Wanted[],
): Promise<{ readonly findings: readonly Finding[]; readonly places: number }> {
  const all = wanted.flatMap(({ name, value }) => [...formsOf(value)].map(([form, text]) => ({ name, form, text })));
  const findings: Finding[] = [];
  let places = 0;
  for await (const { place, text } of traces) {
    places += 1;
    for (const { name, form, text: needle } of all) {
      if (text.includes(needle)) findings.push({ name, form, place });
    }
  }
  return { findings, places };
}
