const TEMPLATE = /\{\{([^{}]*)\}\}/g;

/** The names of the templates in a text, `{{name}}`, each once, in order. Blanks inside the braces do not count. */
export function templateNames(text: string): readonly string[] {
  return [...new Set([...text.matchAll(TEMPLATE)].map(([, name = '']) => name.trim()))];
}

/** Whether a `{{` begins no template: nothing in the text would be inserted there. */
export function hasUnclosedTemplate(text: string): boolean {
  return text.replaceAll(TEMPLATE, '').includes('{{');
}

/** `text` with each template replaced by what `insert` answers; what is inserted is never read for templates again. */
export function fillTemplate(text: string, insert: (name: string) => string): string {
  return text.replaceAll(TEMPLATE, (_, name: string) => insert(name.trim()));
}
