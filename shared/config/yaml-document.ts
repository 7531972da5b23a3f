import { Composer, Lexer, type ParsedNode, Parser, type YAMLError } from 'yaml';

import { type Finding, TokenWatch } from './yaml-tokens.ts';

export interface YamlDocument {
  /** Null for an empty file, and where reading stopped at a fatal finding. */
  readonly root: ParsedNode | null;
  readonly findings: readonly Finding[];
  /** False: not (one document of) YAML, so that what `root` holds is not worth complaints about its meaning. */
  readonly wellFormed: boolean;
}

/** What YAML's own errors mean for somebody who edits the file. The library's messages are not used: they quote it. */
const SYNTAX: Readonly<Record<YAMLError['code'], string>> = {
  ALIAS_PROPS: 'found an alias with a tag or an anchor; neither is allowed',
  BAD_ALIAS: 'found an alias; aliases are not allowed',
  BAD_COLLECTION_TYPE: 'found a collection of an unexpected kind; a plain list or mapping is allowed',
  BAD_DIRECTIVE: 'found a directive; directives are not allowed',
  BAD_DQ_ESCAPE: 'found an unknown \\ escape in double quotes; write \\\\ for a backslash',
  BAD_INDENT:
    'the indentation does not fit, or a bracket above is not closed; entries of one list or mapping begin in the same column',
  BAD_PROP_ORDER: 'found a tag or an anchor in a wrong place; neither is allowed',
  BAD_SCALAR_START: 'a text cannot begin with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'found a mapping within a line; write each key: value on a line of its own, or quote the text',
  BLOCK_IN_FLOW: 'found an indented block inside [ ] or { }; write it on lines of its own',
  DUPLICATE_KEY: 'the key is there twice; each key once is allowed',
  IMPOSSIBLE: 'cannot be read as YAML',
  KEY_OVER_1024_CHARS: 'the key is too long; a : may be missing in the lines above',
  MISSING_CHAR: 'something is missing here: a closing quote or bracket, a comma, a : or a space after it',
  MULTILINE_IMPLICIT_KEY: 'a key may not span lines; a : may be missing, or a quote not closed',
  MULTIPLE_ANCHORS: 'found anchors; anchors are not allowed',
  MULTIPLE_DOCS: 'found a second document; a configuration file is one document',
  MULTIPLE_TAGS: 'found tags; tags are not allowed',
  NON_STRING_KEY: 'a key has to be text; put it in quotes',
  RESOURCE_EXHAUSTION: 'nested too deeply; nothing in a configuration file is so deep',
  TAB_AS_INDENT: 'found a tab in the indentation; indent with spaces',
  TAG_RESOLVE_FAILED: 'found a tag; tags are not allowed',
  UNEXPECTED_TOKEN: 'cannot be read as YAML here; check quotes, brackets, commas and indentation',
};

/** Reads text as one YAML 1.2 document. Never throws; what `TokenWatch` refuses is not composed, which bounds the work. */
export function readYaml(text: string): YamlDocument {
  const watch = new TokenWatch();
  const lexemes: string[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    watch.see(lexeme);
    if (watch.fatal) return { root: null, findings: watch.findings, wellFormed: false };
    lexemes.push(lexeme);
  }
  // Duplicate keys are found in `inspectTree`: the library compares each key with each other.
  const composer = new Composer({ version: '1.2', schema: 'core', uniqueKeys: false, logLevel: 'silent' });
  const documents = withoutStackTraces(() =>
    Array.from(composer.compose(tokensOf(lexemes), true, text.length)).slice(0, 2),
  );
  const [first, second] = documents;
  if (!first) return { root: null, findings: watch.findings, wellFormed: false };
  const findings = [...watch.findings];
  if (second) findings.push({ offset: second.range[0], message: SYNTAX.MULTIPLE_DOCS });
  for (const error of first.errors) findings.push({ offset: error.pos[0], message: SYNTAX[error.code] });
  return { root: first.contents, findings, wellFormed: first.errors.length === 0 && !second };
}

function* tokensOf(lexemes: readonly string[]): ReturnType<Parser['parse']> {
  const parser = new Parser();
  for (const lexeme of lexemes) yield* parser.next(lexeme);
  yield* parser.end();
}

/** A hostile file makes a million error objects; without their unread stack traces that costs a tenth. */
function withoutStackTraces<T>(read: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return read();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
