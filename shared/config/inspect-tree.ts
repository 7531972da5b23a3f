import { isAlias, isMap, isScalar, isSeq, type Pair, type Scalar, type YAMLMap } from 'yaml';

import { hasSecretForm, isMadeOfTemplates, isSensitiveKey } from './plaintext-detection.ts';
import { quoteText } from './quote-text.ts';
import type { Finding } from './yaml-tokens.ts';
import { keyText, offsetOf } from './yaml-tree.ts';

export const PLAINTEXT =
  'found what looks like a plaintext secret; a value lives only in AWS Secrets Manager, so remove it here and replace it where it was issued';

/** The mapping of `http:` whose keys name what an answer holds, and whose texts say where: `{ token: /data/token }`. */
const POINTERS = 'capture';

export interface TreeFindings {
  readonly findings: readonly Finding[];
  /** Where the nodes with a plaintext secret begin and end, in the order of the file. */
  readonly plaintext: readonly (readonly [begin: number, end: number])[];
  /** Nodes that have their complaint already: whoever checks their meaning says nothing more about them. */
  readonly complained: ReadonlySet<unknown>;
}

/**
 * Walks every node, wherever it is and whatever the format knows about it, for plaintext secrets, duplicate keys,
 * merge keys and keys that are not text. Depth is bounded by the reading of the tokens.
 */
export function inspectTree(root: unknown): TreeFindings {
  const findings: Finding[] = [];
  const plaintext: [number, number][] = [];
  const complained = new Set<unknown>();

  function complain(node: unknown, message: string, offset = offsetOf(node)): void {
    findings.push({ offset, message });
    complained.add(node);
  }

  function complainOfPlaintext(node: Scalar): void {
    plaintext.push([offsetOf(node), node.range?.[1] ?? 0]);
    complain(node, PLAINTEXT);
  }

  function visit(node: unknown, underSensitiveKey: boolean, areValuesPointers = false): void {
    if (isMap(node)) visitMap(node, areValuesPointers);
    else if (isSeq(node)) for (const item of node.items) visit(item, underSensitiveKey);
    else if (isAlias(node)) complained.add(node);
    else if (isScalar(node) && isPlaintext(node.value, underSensitiveKey)) complainOfPlaintext(node);
  }

  function visitMap(map: YAMLMap, areValuesPointers: boolean): void {
    const seen = new Set<string>();
    for (const pair of map.items) {
      const key = keyText(pair);
      if (key === undefined) {
        complain(pair.key, 'found a key that is not text; a key is a word', offsetOf(pair.key ?? map));
      } else if (key === '<<') {
        complain(pair.key, 'found a merge key (<<); merge keys are not allowed, write the entries where they belong');
      } else if (hasSecretForm(key)) {
        complainOfPlaintext(pair.key as Scalar);
      } else if (seen.has(key)) {
        complain(pair.key, `the key ${quoteText(key)} is there twice; each key once is allowed`);
      }
      if (key !== undefined) seen.add(key);
      visitValue(pair, key, areValuesPointers && isPointer(pair.value));
    }
  }

  function visitValue(pair: Pair, key: string | undefined, isHarmless: boolean): void {
    const before = findings.length;
    const sensitive = !isHarmless && key !== undefined && isSensitiveKey(key);
    visit(pair.value, sensitive, key === POINTERS);
    // One clear complaint: that the key is unknown as well is no news.
    if (sensitive && findings.length > before) complained.add(pair.key);
  }

  visit(root, false);
  return { findings, plaintext, complained };
}

function isPointer(node: unknown): boolean {
  return isScalar(node) && typeof node.value === 'string' && node.value.startsWith('/');
}

function isPlaintext(value: unknown, underSensitiveKey: boolean): boolean {
  if (typeof value === 'string')
    return hasSecretForm(value) || (underSensitiveKey && value.trim() !== '' && !isMadeOfTemplates(value));
  return underSensitiveKey && (typeof value === 'number' || typeof value === 'bigint');
}
