import type { YAMLMap } from 'yaml';

import { quoteText } from './quote-text.ts';
import type { Reading } from './reading.ts';
import { keyText, offsetOf } from './yaml-tree.ts';

/** How many keys of `openclaw.json` are reported: enough to see what is going on. */
export const REPORTED_KEYS = 200;

/** JSON5 lets the last of two equal keys win; nobody means that. */
export function reportRepeated(map: YAMLMap, reading: Reading, isOurs: (key: string) => boolean = () => true): void {
  const seen = new Set<string>();
  const repeated = map.items.filter((pair) => {
    const key = keyText(pair) ?? '';
    if (seen.has(key)) return isOurs(key);
    seen.add(key);
    return false;
  });
  for (const pair of repeated.slice(0, REPORTED_KEYS))
    reading.report({
      offset: offsetOf(pair.key),
      message: `the key ${quoteText(keyText(pair) ?? '')} is there twice; each key once is allowed`,
    });
}
