const POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/;
const INDEX = /^(?:0|[1-9]\d{0,8})$/;

/** Whether a text is a JSON Pointer (RFC 6901): empty, or `/` before each step, `~` only in `~0` and `~1`. */
export function isJsonPointer(text: string): boolean {
  return POINTER.test(text);
}

/** What `pointer` leads to in `document`; `undefined` where it leads nowhere. Only what the document itself has counts. */
export function valueAt(document: unknown, pointer: string): unknown {
  let found = document;
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof found !== 'object' || found === null) return undefined;
    if (Array.isArray(found) ? !INDEX.test(key) : !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}
