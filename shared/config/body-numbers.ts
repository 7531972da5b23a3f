import { isMap, isScalar, isSeq } from 'yaml';

import { HTTP_KEYS } from './http-schema.ts';
import type { Finding } from './yaml-tokens.ts';
import { nodeAt, offsetOf } from './yaml-tree.ts';

const CHANGED = 'found a number that JSON would not repeat as it is written; write it in quotes, or as JSON has it';

/** Numbers in the bodies of a secret's `http:` that would be sent with other digits: an id of 20 digits, 007. */
export function changedNumbers(secret: unknown): readonly Finding[] {
  return HTTP_KEYS.http.flatMap((request) => changedIn(nodeAt(secret, ['http', request, 'body'])));
}

/** Infinite ones are the schema's to refuse. Depth is bounded by the reading of the tokens. */
function changedIn(node: unknown): readonly Finding[] {
  if (isSeq(node)) return node.items.flatMap(changedIn);
  if (isMap(node)) return node.items.flatMap(({ value }) => changedIn(value));
  if (!isScalar(node) || !Number.isFinite(node.value) || JSON.stringify(node.value) === node.source) return [];
  return [{ offset: offsetOf(node), message: CHANGED }];
}
