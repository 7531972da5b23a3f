import * as z from 'zod';

import { ALERT_KINDS, type AlertSubscription } from './declaration.ts';
import { oneOf, textLike } from './schema-text.ts';

const ON = 'on is a list of one or more of';

/** One entry of `alerts:`; that it has exactly one endpoint is `alertSubscription`'s to say. */
export const alertSchema = z.strictObject(
  {
    email: textLike(
      /^[^\s@<>",;:\\]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}$/,
      'email is an address such as admin@example.com',
    ).optional(),
    sqs: textLike(
      /^arn:aws[a-z-]{0,20}:sqs:[a-z0-9-]{1,30}:\d{12}:[A-Za-z0-9_-]{1,80}$/,
      'sqs is the ARN of a standard queue (a topic delivers to no .fifo), such as arn:aws:sqs:eu-west-1:123456789012:alerts',
    ).optional(),
    https: z
      .string({ error: 'https is a URL that begins with https://' })
      .refine(isHttpsUrl, { error: 'https is a URL that begins with https://' })
      .optional(),
    on: z
      .array(oneOf('an alert kind', ALERT_KINDS), { error: `${ON} ${ALERT_KINDS.join(', ')}` })
      .min(1, { error: `${ON} ${ALERT_KINDS.join(', ')}; without on: every kind is sent` })
      .max(20, { error: `${ON} ${ALERT_KINDS.join(', ')}` })
      .optional(),
  },
  { error: 'an alert is a mapping with one of email, sqs, https' },
);

/** The subscription that an entry means, or what is wrong with its endpoints. */
export function alertSubscription(entry: z.output<typeof alertSchema>): AlertSubscription | string {
  const endpoints = (['email', 'sqs', 'https'] as const).flatMap((protocol) => {
    const endpoint = entry[protocol];
    return endpoint === undefined ? [] : [{ protocol, endpoint }];
  });
  const [only, another] = endpoints;
  if (!only || another)
    return `found ${only ? 'several endpoints' : 'no endpoint'}; an alert has exactly one of email, sqs, https`;
  return { ...only, kinds: [...new Set(entry.on)] };
}

function isHttpsUrl(text: string): boolean {
  if (text.length > 2048 || !/^https:\/\/[^\s\p{Cc}]+$/u.test(text)) return false;
  const url = URL.parse(text);
  return url !== null && url.username === '' && url.password === '';
}
