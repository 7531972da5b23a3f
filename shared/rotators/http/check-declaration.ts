import type { HttpDeclaration, HttpRequestDeclaration } from '../../config/declaration.ts';
import { isRefusal } from './answer-faults.ts';
import { baseUrlProblem } from './base-url.ts';
import { isJsonPointer } from './json-pointer.ts';
import { hasUnclosedTemplate } from './template.ts';
import { isAdminWord, isKnownWord, type RequestName, templateTexts, wordsOf } from './vocabulary.ts';

/** The names of captures: they are keys of the secret's JSON and words of templates. */
const CAPTURE_NAME = /^[A-Za-z][\w-]{0,63}$/;
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]{1,128}$/;
/** What the connection itself decides. */
const OWN_HEADERS = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** ASCII without blank and without the beginning of a fragment; templates are blanked out before. */
const PATH = /^\/[\x21\x22\x24-\x7e]*$/;
const HEADER_TEXT = /^[\t\x20-\x7e]*$/;
const METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/**
 * What is wrong with the `http:` of a secret, a sentence each, beginning with the field; empty when nothing is. Texts of
 * headers and bodies are not quoted: somebody may have written a value into one.
 */
export function checkHttpDeclaration(declaration: HttpDeclaration): readonly string[] {
  const { baseUrl, create, test, revoke, list } = declaration;
  const problem = baseUrlProblem(baseUrl);
  return [
    ...(problem === undefined ? [] : [`base_url ${problem}.`]),
    ...checkCaptures(create.capture),
    ...checkRequest(declaration, 'create', create),
    ...checkRequest(declaration, 'test', test),
    ...checkRequest(declaration, 'revoke', revoke),
    ...(list === undefined ? [] : checkRequest(declaration, 'list', list)),
    ...(list === undefined ? [] : checkList(list)),
    ...checkMeaning(declaration),
  ];
}

function checkCaptures(capture: HttpDeclaration['create']['capture']): readonly string[] {
  const problems: string[] = [];
  for (const [name, pointer] of Object.entries(capture)) {
    if (!CAPTURE_NAME.test(name))
      problems.push(`create.capture.${quotable(name)} is not a name of letters, digits, - and _.`);
    if (name === 'admin')
      problems.push('create.capture.admin is the name of the administrator: capture under another.');
    if (!isJsonPointer(pointer))
      problems.push(`create.capture.${quotable(name)} is not a JSON Pointer such as /data/id.`);
  }
  if (!Object.hasOwn(capture, 'value'))
    problems.push('create.capture.value is missing: where the answer has the value.');
  else if (capture['id'] === capture['value'])
    problems.push('create.capture.id is the value itself: an id is no secret. Leave it out, and revoke by {{value}}.');
  return problems;
}

function checkRequest(
  declaration: HttpDeclaration,
  name: RequestName,
  request: HttpRequestDeclaration,
): readonly string[] {
  const { method, path, headers = {}, expect } = request;
  const problems: string[] = [];
  const say = (text: string) => problems.push(`${name}.${text}`);
  if (!METHODS.includes(method)) say(`method is none of ${METHODS.join(', ')}.`);
  if (!PATH.test(withoutTemplates(path))) say('path must begin with / and be percent-encoded, without fragment.');
  if (hasDotSegment(path)) say('path must not have a segment . or ..');
  for (const [header, text] of Object.entries(headers)) {
    if (!HEADER_NAME.test(header)) say('headers has a name that is none.');
    else if (OWN_HEADERS.has(header.toLowerCase())) say(`headers.${header} is not yours to set.`);
    if (!HEADER_TEXT.test(text))
      say(`headers.${quotable(header)} has a line break or another character outside ASCII.`);
  }
  const folded = Object.keys(headers).map((header) => header.toLowerCase());
  if (new Set(folded).size < folded.length) say('headers names one header twice.');
  const isStatus = (status: number) => Number.isInteger(status) && status >= 200 && status < 500 && status !== 429;
  if (expect.length === 0 || !expect.every(isStatus)) say('expect must list statuses from 200 to 499, without 429.');
  for (const { place, text } of templateTexts(request)) {
    if (hasUnclosedTemplate(text)) say(`${quotable(place)} has a {{ that no }} closes.`);
  }
  for (const word of wordsOf(request)) {
    if (!isKnownWord(declaration, name, word)) problems.push(unknownWord(name, word));
  }
  return problems;
}

function unknownWord(name: RequestName, word: string): string {
  const template = `${name} has {{${quotable(word)}}}`;
  if (name === 'test' && isAdminWord(word))
    return `${template}: it authenticates with the credential, not as administrator.`;
  if (name === 'create' || name === 'list') return `${template}; it can have {{name}}, {{admin}} and {{admin.KEY}}.`;
  if (word === 'name') return `${template}, which is not stored: capture it as name.`;
  return `${template}, which create.capture does not name.`;
}

function checkList({ items, id, name }: NonNullable<HttpDeclaration['list']>): readonly string[] {
  const isWrong = ([, pointer]: readonly [string, string]) => !isJsonPointer(pointer);
  const pointers = Object.entries({ items, id, name });
  return pointers.filter(isWrong).map(([field]) => `list.${field} is not a JSON Pointer such as /data.`);
}

/** Requests that are well-formed and could still not do their work. */
function checkMeaning({ create, test, revoke, list }: HttpDeclaration): readonly string[] {
  const problems: string[] = [];
  const isSuccess = (status: number) => status >= 200 && status < 300;
  if (!create.expect.every(isSuccess)) problems.push('create.expect must list statuses from 200 to 299.');
  if (test.expect.some(isRefusal))
    problems.push('test.expect must not list 401 or 403, which say that a credential is refused.');
  if (revoke.expect.some(isRefusal) && !wordsOf(revoke).includes('value')) {
    problems.push('revoke.expect must not list 401 or 403: an administrator who is refused has ended nothing.');
  }
  if (!wordsOf(test).includes('value')) problems.push('test must authenticate with {{value}}: else it proves nothing.');
  if (!wordsOf(revoke).some((word) => !isAdminWord(word))) {
    problems.push('revoke must say which credential: by {{id}}, {{name}}, {{value}} or another capture.');
  }
  if (list !== undefined && !wordsOf(create).includes('name')) {
    problems.push('create must give the credential the name {{name}}: else list finds none again.');
  }
  return problems;
}

function withoutTemplates(text: string): string {
  return text.replaceAll(/\{\{[^{}]*\}\}/g, 'x');
}

/** Whether a path, or the part before its query, has `.` or `..` as a segment, also percent-encoded. */
export function hasDotSegment(path: string): boolean {
  const [steps = ''] = path.split('?');
  return hasDotStep(steps);
}

/** Whether whoever walks `text` as a path would take a step `.` or `..`, whatever stands before it. */
export function hasDotStep(text: string): boolean {
  return text.split(/[/\\]/).some((step) => /^\.{1,2}$/.test(step.replaceAll(/%2e/gi, '.')));
}

/** A key of the configuration that may be repeated in a text. */
function quotable(name: string): string {
  return /^[\w.-]{1,64}$/.test(name) ? name : '…';
}
