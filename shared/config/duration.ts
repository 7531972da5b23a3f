import { parseIsoDuration } from './iso-duration.ts';

const SECONDS = { second: 1, minute: 60, hour: 3600, day: 86_400, week: 604_800 } as const;
type Unit = keyof typeof SECONDS;

const SHORT: Readonly<Record<string, Unit>> = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week' };

/** What a duration may look like, for messages. */
export const DURATION_FORMS = 'a duration such as 30s, 5m, 1h, 7d, 30_seconds, PT30S or 0';

/** Seconds of `30s`, `5m`, `1h`, `7d`, `30_seconds`, `PT30S` or `0`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const short = /^(\d{1,9})([smhdw])$/.exec(text);
  if (short) return Number(short[1]) * SECONDS[SHORT[short[2] ?? ''] ?? 'second'];
  const counted = parseCounted(text);
  if (counted !== undefined) return counted;
  const iso = parseIsoDuration(text);
  return iso && iso.months === 0 ? iso.seconds : undefined;
}

/** Seconds of `12_hours`, `1_day`, `30_minutes`, `2_weeks`; undefined for anything else. */
export function parseCounted(text: string): number | undefined {
  const match = /^(\d{1,9})_(second|minute|hour|day|week)s?$/.exec(text);
  return match ? Number(match[1]) * SECONDS[match[2] as Unit] : undefined;
}
