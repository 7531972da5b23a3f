import { ANY_VERSION, type Consumer } from './consumer.ts';

/** A consumer that has said nothing for this long is not counted on: more than two of its heartbeats (60 s). */
const LIVE_SECONDS = 150;

/** Added to a consumer's bound: its clock's rounding, and its last read being under way. */
const MARGIN_SECONDS = 30;

/** Whether it is to be counted on to answer a rollout. */
export function isCountedOn(consumer: Consumer, now: Date): boolean {
  return isLive(consumer, now) && consumer.startsOnly !== true;
}

/** Whether it has been heard of lately. */
export function isLive({ seenAt, boundSeconds }: Consumer, now: Date): boolean {
  return secondsBetween(seenAt, now) <= Math.min(boundSeconds, LIVE_SECONDS);
}

/**
 * Whether it may be using `versionId`. One that nobody has heard of for its bound and the margin has stopped by itself:
 * `current()` throws there.
 */
export function mayHold(consumer: Consumer, versionId: string, now: Date): boolean {
  const { holds, seenAt, boundSeconds } = consumer;
  if (!holds.includes(versionId) && !holds.includes(ANY_VERSION)) return false;
  return secondsBetween(seenAt, now) <= boundSeconds + MARGIN_SECONDS;
}

/** `billing-agent on host-7 (pid 12)`, at most ten of them, for people. */
export function named(consumers: readonly Pick<Consumer, 'agent' | 'host'>[]): string {
  const names = consumers.slice(0, 10).map(({ agent, host }) => `${agent} on ${host}`);
  return `${names.join(', ')}${consumers.length > names.length ? ` and ${consumers.length - names.length} more` : ''}`;
}

function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1000;
}
