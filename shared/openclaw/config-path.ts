import { PlanRefused } from './errors.ts';

/** A segment, or `["a.segment"]` where it has dots; with the separator after it. */
const SEGMENT = /(?:(?<plain>[^.[\]"]+)|\["(?<quoted>(?:[^"\\]|\\.)+)"\])(?<end>\.(?=.)|(?=\[)|$)/gsy;
const BLOCKED: ReadonlySet<string> = new Set(['__proto__', 'prototype', 'constructor']);
/** After these comes a name of the user's own: `models.providers.NAME`. */
const COLLECTIONS: ReadonlySet<string> = new Set([
  'accounts',
  'headers',
  'mcpServers',
  'personas',
  'providers',
  'routes',
]);
const ENTRIES: ReadonlySet<string> = new Set(['agents', 'skills']);

/** Throws `PlanRefused` for what is not a path into `openclaw.json`. */
export function parseConfigPath(path: string): readonly string[] {
  const segments = [...path.matchAll(SEGMENT)];
  const length = segments.reduce((sum, [whole]) => sum + whole.length, 0);
  const names = segments.map(({ groups }) => groups?.['plain'] ?? unquoted(groups?.['quoted'] ?? ''));
  if (names.length < 2 || length !== path.length || names.some((name) => BLOCKED.has(name))) {
    throw new PlanRefused(
      `${JSON.stringify(path)} is not a path into openclaw.json, such as models.providers.openai.apiKey.`,
    );
  }
  return names;
}

/**
 * The target type by which OpenClaw's `secrets apply` knows a path: the path with `*` for the user's own names
 * (docs/reference/secretref-credential-surface.md), without the `*` for models and skills
 * (docs/gateway/secrets-plan-contract.md).
 */
export function targetType(segments: readonly string[]): string {
  const pattern = segments.map((segment, index) => (isOwnName(segments, index) ? '*' : segment));
  const isShort = segments[0] === 'models' || segments[0] === 'skills';
  return (isShort ? pattern.filter((segment) => segment !== '*') : pattern).join('.');
}

function isOwnName(segments: readonly string[], index: number): boolean {
  const before = segments[index - 1];
  if (before === undefined) return false;
  if (before === 'entries') return index === 2 && ENTRIES.has(segments[0] ?? '');
  if (before === 'env') return segments[index - 3] === 'mcpServers';
  return COLLECTIONS.has(before);
}

function unquoted(text: string): string {
  return text.replaceAll(/\\(.)/gs, '$1');
}
