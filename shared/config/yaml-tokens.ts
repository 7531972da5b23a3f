/** A finding at an offset of the text; the parser of the whole file turns it into a `Problem`. */
export interface Finding {
  readonly offset: number;
  readonly message: string;
}

/** Nothing in the format nests deeper than 8; the YAML composer recurses, so depth is bounded before it runs. */
const MAX_DEPTH = 32;
const MAX_INDENT = 200;
/** 10,000 secrets with five fields make 370,000. */
const MAX_TOKENS = 450_000;

/** In flow style they make 70,000. Each misplaced one becomes an error, so they are bounded apart. */
const MAX_PUNCTUATION = 120_000;
const MAX_ESCAPES = 10_000;
/** Anchors, tags and the like: more of them tell nobody more. */
const MAX_FINDINGS = 1000;

const CONTROL_TOKENS = new Set(['\x02', '\x18', '\x1f']);
const SCALAR_FOLLOWS = '\x1f';

/**
 * Watches the tokens of the YAML lexer go by and finds what the format does not have: anchors, aliases, tags,
 * directives, a second document, and shapes that only serve to exhaust a parser. `fatal` findings end the reading.
 */
export class TokenWatch {
  readonly findings: Finding[] = [];
  fatal = false;
  #offset = 0;
  #count = 0;
  #flowDepth = 0;
  #indicatorsInLine = 0;
  #documents = 0;
  #documentEnds = 0;
  #punctuation = 0;
  #escapes = 0;
  #lineStart = true;
  #scalarFollows = false;

  see(token: string): void {
    this.#count += 1;
    if (this.#count > MAX_TOKENS) this.#end('the file has too many entries; it may declare about 10,000 secrets');
    if (CONTROL_TOKENS.has(token)) {
      this.#scalarFollows = token === SCALAR_FOLLOWS;
      return;
    }
    if (this.#scalarFollows) this.#scalarFollows = false;
    else if (token.startsWith('"')) this.#seeEscapes(token);
    else this.#seeSyntax(token);
    this.#lineStart = token.endsWith('\n');
    if (token.includes('\n')) this.#indicatorsInLine = 0;
    this.#offset += token.length;
  }

  #seeSyntax(token: string): void {
    if (',[]{}'.includes(token)) {
      this.#punctuation += 1;
      if (this.#punctuation > MAX_PUNCTUATION) this.#end('the file has too many entries in brackets');
    }
    switch (token.charAt(0)) {
      case '&':
        this.#add('found an anchor (&); anchors and aliases are not allowed, write the value where it belongs');
        return;
      case '*':
        this.#add('found an alias (*); anchors and aliases are not allowed, write the value where it belongs');
        return;
      case '!':
        this.#add('found a tag (!); tags are not allowed, write text in quotes');
        return;
      case '%':
        this.#add('found a directive (%); directives are not allowed');
        return;
      case '[':
      case '{':
        this.#flowDepth += 1;
        if (this.#flowDepth > MAX_DEPTH) this.#end('nested too deeply; nothing in a configuration file is so deep');
        return;
      case ']':
      case '}':
        this.#flowDepth = Math.max(0, this.#flowDepth - 1);
        return;
      case '-':
        if (token === '---') this.#seeDocument();
        else this.#seeIndicator();
        return;
      case '?':
        this.#seeIndicator();
        return;
      case '.':
        this.#documentEnds += 1;
        if (this.#documentEnds > 1) this.#end('found a second document; a configuration file is one document');
        return;
      case ' ':
        if (this.#lineStart && token.length > MAX_INDENT)
          this.#end('indented too deeply; nothing in a configuration file is so deep');
        return;
    }
  }

  #seeEscapes(quoted: string): void {
    for (let at = quoted.indexOf('\\'); at !== -1; at = quoted.indexOf('\\', at + 2)) this.#escapes += 1;
    if (this.#escapes > MAX_ESCAPES) this.#end('the file has too many \\ escapes; nothing in it needs them');
  }

  #seeDocument(): void {
    this.#documents += 1;
    if (this.#documents > 1) this.#end('found a second document (---); a configuration file is one document');
  }

  #seeIndicator(): void {
    this.#indicatorsInLine += 1;
    if (this.#indicatorsInLine > MAX_DEPTH) this.#end('nested too deeply; nothing in a configuration file is so deep');
  }

  #add(message: string): void {
    if (this.findings.length === MAX_FINDINGS) this.fatal = true;
    this.findings.push({ offset: this.#offset, message });
  }

  #end(message: string): void {
    if (!this.fatal) this.#add(message);
    this.fatal = true;
  }
}
