import type { Clock } from '../../shared/clock.ts';
import type { Output } from '../output.ts';

type Versions = Readonly<Record<string, string>>;

/** What `rekey run` tells. Names, versions, codes and fixed sentences; never a value. */
export type RunEvent =
  | { readonly event: 'waiting'; readonly secrets: readonly string[] }
  | { readonly event: 'started'; readonly pid: number; readonly secrets: Versions }
  | { readonly event: 'reloading'; readonly how: string; readonly secrets: Versions }
  | { readonly event: 'reloaded'; readonly pid: number; readonly secrets: Versions }
  | { readonly event: 'refused'; readonly reason: string; readonly secrets: Versions }
  | { readonly event: 'restored'; readonly pid: number; readonly secrets: Versions }
  | { readonly event: 'stale'; readonly on_stale: 'exit' | 'keep' }
  | { readonly event: 'warning'; readonly message: string }
  | { readonly event: 'failed'; readonly message: string; readonly exit_code: number }
  | { readonly event: 'ended'; readonly exit_code: number };

export type Tell = (event: RunEvent) => void;

/** One line of standard error for each: a sentence, or with `json` an object. `quiet` leaves only what went wrong. */
export function tellTo(
  output: Pick<Output, 'note'>,
  { json, quiet, clock }: { readonly json: boolean; readonly quiet: boolean; readonly clock: Clock },
): Tell {
  return (event) => {
    if (quiet && !isTrouble(event)) return;
    output.note(json ? JSON.stringify({ time: clock.now().toISOString(), ...event }) : `rekey: ${sentence(event)}`);
  };
}

function isTrouble({ event }: RunEvent): boolean {
  return event === 'refused' || event === 'stale' || event === 'warning' || event === 'failed';
}

function sentence(event: RunEvent): string {
  switch (event.event) {
    case 'waiting':
      return `still waiting for the first values of ${event.secrets.join(', ')}`;
    case 'started':
      return `started process ${event.pid} with ${named(event.secrets)}`;
    case 'reloading':
      return `new values of ${named(event.secrets)}: ${event.how}`;
    case 'reloaded':
      return `process ${event.pid} works with ${named(event.secrets)}`;
    case 'refused':
      return `refused ${named(event.secrets)}: ${event.reason}`;
    case 'restored':
      return `process ${event.pid} is back with ${named(event.secrets)}`;
    case 'stale':
      return event.on_stale === 'exit'
        ? 'the values may be outdated: Rekey has not been reached for as long as --bound allows; ending the command'
        : 'the values may be outdated: Rekey has not been reached for as long as --bound allows; the command keeps them (--on-stale keep)';
    case 'warning':
      return `warning: ${event.message}`;
    case 'failed':
      return event.message;
    case 'ended':
      return `ended with exit code ${event.exit_code}`;
  }
}

function named(versions: Versions): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} (version ${version})`)
    .join(', ');
}
