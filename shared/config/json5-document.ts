import JSON5 from 'json5';
import { isMap, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml';

import type { Finding } from './yaml-tokens.ts';

export type Json5Document =
  /** The nodes that the YAML reader has too, so that one way of checking and describing serves both. */
  { readonly ok: true; readonly root: unknown } | { readonly ok: false; readonly finding: Finding };

/*
 * `json5` says whether a text is well-formed and what a token means, but not where a token stood; parsers that keep
 * positions do not read JSON5 (`jsonc-parser` has no unquoted keys, `yaml` no // comments). So `json5` reads the whole
 * text first. The walk over its tokens only adds the places, and may trust the grammar: on a well-formed text each
 * token matches where it begins, and what matches nothing is white space.
 */
const TOKEN = /"[^"\\]*(?:\\[^][^"\\]*)*"|'[^'\\]*(?:\\[^][^'\\]*)*'|\/\/.*|\/\*[^]*?\*\/|[[\]{},:]|[^\s"'[\]{},:/]+/g;

/** Whoever walks the nodes recurses. OpenClaw's own settings nest less than 16 deep. */
const MAX_DEPTH = 64;

/** Reads text as JSON5 (https://spec.json5.org). Never throws; linear in the text's length. */
export function readJson5(text: string): Json5Document {
  // json5 writes a warning to the console for each one in a string.
  const separator = text.search(/[\u2028\u2029]/);
  if (separator !== -1)
    return refuse(separator, 'found a line or paragraph separator (U+2028, U+2029); write it as \\u2028 or \\u2029');
  try {
    JSON5.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return syntaxError(text, error);
  }
  return nodesOf(text);
}

/** The library's own message is not used: it quotes the file. */
function syntaxError(text: string, error: SyntaxError): Json5Document {
  const { lineNumber = 1, columnNumber = 1 } = error as { lineNumber?: number; columnNumber?: number };
  let start = 0;
  for (let line = 1; line < lineNumber; line += 1) start = text.indexOf('\n', start) + 1;
  const offset = start + columnNumber - 1;
  return offset >= text.length
    ? refuse(text.length, 'the file ends too early; a bracket, a quote or a comment is not closed')
    : refuse(offset, 'cannot be read as JSON5 here; check quotes, brackets, commas and colons');
}

function nodesOf(text: string): Json5Document {
  const open: (YAMLMap | YAMLSeq)[] = [];
  let root: unknown;
  let key: Scalar | undefined;

  function place(node: Scalar | YAMLMap | YAMLSeq): void {
    const parent = open.at(-1);
    if (parent === undefined) root = node;
    else if (isMap(parent)) parent.items.push(new Pair(key, node));
    else parent.items.push(node);
    key = undefined;
  }

  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    switch (token.charAt(0)) {
      case '/':
      case ',':
      case ':':
        break;
      case '{':
      case '[': {
        if (open.length === MAX_DEPTH) return refuse(index, 'nested too deeply; nothing in OpenClaw is so deep');
        const container = at(index, token === '{' ? new YAMLMap() : new YAMLSeq());
        place(container);
        open.push(container);
        break;
      }
      case '}':
      case ']':
        open.pop();
        break;
      default:
        if (key === undefined && isMap(open.at(-1))) key = at(index, new Scalar(keyOf(token)));
        else place(at(index, new Scalar(JSON5.parse(token))));
    }
  }
  return { ok: true, root };
}

function keyOf(token: string): string {
  if (/^["']/.test(token)) return JSON5.parse<string>(token);
  return token.includes('\\') ? (Object.keys(JSON5.parse<object>(`{${token}:0}`))[0] ?? '') : token;
}

function at<Node extends Scalar | YAMLMap | YAMLSeq>(offset: number, node: Node): Node {
  node.range = [offset, offset, offset];
  return node;
}

function refuse(offset: number, message: string): Json5Document {
  return { ok: false, finding: { offset, message } };
}
