import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Answer, Consumer, Use, UseReport } from './consumer.ts';
import type { RolloutNotice } from './notice.ts';

/** An item of the table of consumers; attributes are flat, `expiresAt` is its TTL in epoch seconds. */
export type Item = Record<string, AttributeValue>;
export type ItemKey = Record<'pk' | 'sk', AttributeValue.SMember>;

/**
 * Prefixes of `sk`. Consumers write in the partition `SECRET#<secretId>` and only read in `REKEY#<secretId>`, so that an
 * agent's policy can tell the two apart by `dynamodb:LeadingKeys`.
 */
export const CONSUMER_PREFIX = 'CONSUMER#';
export const ANSWER_PREFIX = 'ANSWER#';
export const USE_PREFIX = 'USE#';
export const BATCH_PREFIX = 'BATCH#';

const DAY_SECONDS = 24 * 3600;
const KEPT_SECONDS = 7 * DAY_SECONDS;
/** Of every text that a consumer writes: it is shown to people and goes into alerts. */
const LONGEST_TEXT = 200;
const LONGEST_BOUND_SECONDS = DAY_SECONDS;
/** Kinds of uses in one report; what a consumer writes beyond is not read. */
const MOST_USES = 50;

/** Infrastructure, Rekey and consumers name the table of an environment alike. */
export function consumersTableName(environment: string): string {
  return `rekey-${environment}-consumers`;
}

const CONSUMERS_PARTITION = 'SECRET#';
const REKEYS_PARTITION = 'REKEY#';

/** Of consumers: `sk` is `CONSUMER#<id>`, `ANSWER#<rotation>#<id>` or `USE#<id>#<number>`. */
export function keyOf(secretId: string, sk: string): ItemKey {
  return { pk: { S: `${CONSUMERS_PARTITION}${secretId}` }, sk: { S: sk } };
}

/** Of Rekey: `sk` is `ROLLOUT` or `BATCH#<rotation>#<number>`. */
export function rekeysKeyOf(secretId: string, sk: string): ItemKey {
  return { pk: { S: `${REKEYS_PARTITION}${secretId}` }, sk: { S: sk } };
}

export function noticeKey(secretId: string): ItemKey {
  return rekeysKeyOf(secretId, 'ROLLOUT');
}

export function consumerKey({ secretId, consumerId }: Pick<Consumer, 'secretId' | 'consumerId'>): ItemKey {
  return keyOf(secretId, `${CONSUMER_PREFIX}${consumerId}`);
}

export function answerKey(answer: Pick<Answer, 'secretId' | 'rotationId' | 'consumerId'>): ItemKey {
  return keyOf(answer.secretId, `${ANSWER_PREFIX}${answer.rotationId}#${answer.consumerId}`);
}

export function useKey({
  secretId,
  consumerId,
  number,
}: Pick<UseReport, 'secretId' | 'consumerId' | 'number'>): ItemKey {
  return keyOf(secretId, `${USE_PREFIX}${consumerId}#${String(number).padStart(10, '0')}`);
}

export function noticeItem(notice: RolloutNotice): Item {
  return {
    ...noticeKey(notice.secretId),
    sequence: numeric(notice.sequence),
    state: { S: notice.state },
    rotationId: { S: notice.rotationId },
    versionId: { S: notice.versionId },
    ...setOf('bounds', notice.bounds),
    released: numeric(notice.released),
  };
}

/** `undefined` for an item that is no notice. */
export function toNotice(item: Item): RolloutNotice | undefined {
  return reading(item, (read) => ({
    secretId: read.secretId(),
    sequence: read.number('sequence'),
    state: read.oneOf('state', ['settled', 'rolling', 'returning']),
    rotationId: read.text('rotationId'),
    versionId: read.text('versionId'),
    bounds: read.set('bounds'),
    released: read.number('released'),
  }));
}

/** Gone a day after the consumer has stopped by itself. */
export function consumerItem(consumer: Consumer): Item {
  return {
    ...consumerKey(consumer),
    consumerId: { S: consumer.consumerId },
    agent: { S: consumer.agent },
    host: { S: consumer.host },
    startedAt: { S: consumer.startedAt.toISOString() },
    seenAt: { S: consumer.seenAt.toISOString() },
    boundSeconds: numeric(consumer.boundSeconds),
    ...(consumer.startsOnly === true ? { startsOnly: { BOOL: true } } : {}),
    ...setOf('holds', consumer.holds),
    sequence: numeric(consumer.sequence),
    expiresAt: expiry(consumer.seenAt, consumer.boundSeconds + DAY_SECONDS),
  };
}

/** `undefined` for an item that is no consumer. `holds` comes back sorted. */
export function toConsumer(item: Item): Consumer | undefined {
  return reading(item, (read) => ({
    secretId: read.secretId(),
    consumerId: read.text('consumerId'),
    agent: oneLine(read.text('agent')),
    host: oneLine(read.text('host')),
    startedAt: read.date('startedAt'),
    seenAt: read.date('seenAt'),
    boundSeconds: Math.min(read.number('boundSeconds'), LONGEST_BOUND_SECONDS),
    ...(item.startsOnly?.BOOL === true ? { startsOnly: true } : {}),
    holds: read.set('holds'),
    sequence: read.number('sequence'),
  }));
}

export function answerItem(answer: Answer): Item {
  return {
    ...answerKey(answer),
    rotationId: { S: answer.rotationId },
    consumerId: { S: answer.consumerId },
    agent: { S: answer.agent },
    host: { S: answer.host },
    versionId: { S: answer.versionId },
    outcome: { S: answer.outcome },
    said: { S: answer.said },
    answeredAt: { S: answer.answeredAt.toISOString() },
    expiresAt: expiry(answer.answeredAt, KEPT_SECONDS),
  };
}

/** `undefined` for an item that is no answer, or one to another rollout or of somebody else than its key says. */
export function toAnswer(item: Item): Answer | undefined {
  const answer = reading<Answer>(item, (read) => ({
    secretId: read.secretId(),
    rotationId: read.text('rotationId'),
    consumerId: read.text('consumerId'),
    agent: oneLine(read.text('agent')),
    host: oneLine(read.text('host')),
    versionId: read.text('versionId'),
    outcome: read.oneOf('outcome', ['acknowledged', 'refused', 'returned']),
    said: oneLine(read.text('said')),
    answeredAt: read.date('answeredAt'),
  }));
  return answer !== undefined && item.sk?.S === answerKey(answer).sk.S ? answer : undefined;
}

export function useItem(report: UseReport): Item {
  return {
    ...useKey(report),
    consumerId: { S: report.consumerId },
    agent: { S: report.agent },
    host: { S: report.host },
    ipAddress: { S: report.ipAddress },
    number: numeric(report.number),
    from: { S: report.from.toISOString() },
    to: { S: report.to.toISOString() },
    uses: { L: report.uses.map((use) => ({ M: useAttributes(use) })) },
    dropped: numeric(report.dropped),
    expiresAt: expiry(report.to, KEPT_SECONDS),
  };
}

/** `undefined` for an item that is no report, or one of another consumer or number than its key says. */
export function toUseReport(item: Item): UseReport | undefined {
  const report = reading<UseReport>(item, (read) => ({
    secretId: read.secretId(),
    consumerId: read.text('consumerId'),
    agent: oneLine(read.text('agent')),
    host: oneLine(read.text('host')),
    ipAddress: oneLine(read.text('ipAddress')),
    number: read.number('number'),
    from: read.date('from'),
    to: read.date('to'),
    uses: (item.uses?.L ?? []).slice(0, MOST_USES).map(({ M }) => toUse(new Reader(M ?? {}))),
    dropped: read.number('dropped'),
  }));
  return report !== undefined && item.sk?.S === useKey(report).sk.S ? report : undefined;
}

function useAttributes({ action, reason, versionId, count }: Use): Record<string, AttributeValue> {
  return { action: { S: action }, reason: { S: reason }, versionId: { S: versionId }, count: numeric(count) };
}

function toUse(read: Reader): Use {
  return {
    action: oneLine(read.text('action')),
    reason: oneLine(read.text('reason')),
    versionId: read.text('versionId'),
    count: read.number('count'),
  };
}

/** An attribute is not what the item's kind has there. Never leaves this file. */
class NotThatItem extends Error {}

/** Attributes of one item, each with its type. Consumers write theirs themselves, so nothing is believed. */
class Reader {
  readonly #item: Item;

  constructor(item: Item) {
    this.#item = item;
  }

  secretId(): string {
    const pk = this.text('pk');
    const partition = [CONSUMERS_PARTITION, REKEYS_PARTITION].find((prefix) => pk.startsWith(prefix));
    if (partition === undefined) throw new NotThatItem();
    return pk.slice(partition.length);
  }

  text(name: string): string {
    const text = this.#item[name]?.S;
    if (text === undefined) throw new NotThatItem();
    return text;
  }

  number(name: string): number {
    const number = Number(this.#item[name]?.N ?? Number.NaN);
    if (!Number.isSafeInteger(number) || number < 0) throw new NotThatItem();
    return number;
  }

  date(name: string): Date {
    const date = new Date(this.text(name));
    if (Number.isNaN(date.getTime())) throw new NotThatItem();
    return date;
  }

  oneOf<Word extends string>(name: string, words: readonly Word[]): Word {
    const text = this.text(name);
    const word = words.find((known) => known === text);
    if (word === undefined) throw new NotThatItem();
    return word;
  }

  /** Sorted; an absent attribute is the empty set, which DynamoDB cannot store. */
  set(name: string): readonly string[] {
    return [...(this.#item[name]?.SS ?? [])].sort();
  }
}

function reading<Result>(item: Item, read: (reader: Reader) => Result): Result | undefined {
  try {
    return read(new Reader(item));
  } catch (error) {
    if (error instanceof NotThatItem) return undefined;
    throw error;
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, LONGEST_TEXT);
}

function numeric(value: number): AttributeValue.NMember {
  return { N: String(value) };
}

function setOf(name: string, values: readonly string[]): Item {
  return values.length === 0 ? {} : { [name]: { SS: [...new Set(values)] } };
}

function expiry(from: Date, seconds: number): AttributeValue.NMember {
  return numeric(Math.ceil(from.getTime() / 1000) + seconds);
}
