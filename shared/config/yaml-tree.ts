import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml';

/** Where a node begins in the text. */
export function offsetOf(node: unknown): number {
  return (node as Node | null | undefined)?.range?.[0] ?? 0;
}

/** The key of a pair, if it is text. */
export function keyText(pair: Pair): string | undefined {
  return isScalar(pair.key) && typeof pair.key.value === 'string' ? pair.key.value : undefined;
}

/** The pair with this key; the first, if it is there twice. */
export function findPair(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => keyText(pair) === key);
}

/** The node under a path of keys and indexes, or undefined where there is none. */
export function nodeAt(from: unknown, path: readonly PropertyKey[]): unknown {
  let node = from;
  for (const step of path) {
    if (isMap(node)) node = findPair(node, String(step))?.value;
    else if (isSeq(node)) node = node.items[Number(step)];
    else return undefined;
  }
  return node;
}

/** Where a path inside a node begins, or the nearest part of it that is there. */
export function offsetAt(from: unknown, path: readonly string[]): number {
  const node = nodeAt(from, path);
  return node === undefined && path.length > 0 ? offsetAt(from, path.slice(0, -1)) : offsetOf(node);
}

/**
 * Plain data of a node: mappings as objects of their text keys (the first of two equal ones), lists, scalars. What is
 * complained about elsewhere (aliases, merge keys, keys that are not text) is left out.
 */
export function toPlain(node: unknown): unknown {
  if (isAlias(node)) return undefined;
  if (isSeq(node)) return node.items.map(toPlain);
  if (isMap(node)) {
    const entries = new Map<string, unknown>();
    for (const pair of node.items) {
      const key = keyText(pair);
      if (key === undefined || key === '<<' || entries.has(key)) continue;
      entries.set(key, toPlain(pair.value));
    }
    // Unlike an assignment, fromEntries makes an own property of `__proto__` too.
    return Object.fromEntries(entries);
  }
  return isScalar(node) ? node.value : undefined;
}

/** What was found at a node, in words, for a message. `quote` decides how text appears. */
export function describeNode(node: unknown, quote: (text: string) => string): string {
  if (isMap(node)) return 'found a mapping';
  if (isSeq(node)) return 'found a list';
  if (!isScalar(node) || node.value === null) return 'found nothing';
  if (typeof node.value === 'string') return `found ${quote(node.value)}`;
  return typeof node.value === 'boolean' ? `found ${node.value}` : 'found a number';
}
