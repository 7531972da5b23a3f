import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import * as z from 'zod/mini';

/** https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html: what the table's stream brings, new images only. */
export const streamEvent = z.object({
  Records: z.array(z.object({ dynamodb: z.object({ NewImage: z.optional(z.record(z.string(), z.unknown())) }) })),
});

/**
 * The items of the event, as `read` understands them. One that it does not is passed over: consumers write these items
 * themselves, and one that writes nonsense must not hold up the others.
 */
export function itemsOf<Item>(
  event: z.output<typeof streamEvent>,
  read: (item: Record<string, AttributeValue>) => Item | undefined,
): readonly Item[] {
  return event.Records.flatMap(({ dynamodb: { NewImage } }) => {
    const item = NewImage === undefined ? undefined : read(NewImage as Record<string, AttributeValue>);
    return item === undefined ? [] : [item];
  });
}
