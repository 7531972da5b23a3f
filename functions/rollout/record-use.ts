import { toUseReport } from '../../shared/rollout/consumer-items.ts';
import { recordUses } from '../../shared/rollout/record-uses.ts';
import { books } from '../books.ts';
import { handler as step } from '../handler.ts';
import { itemsOf, streamEvent } from './stream-event.ts';

export const handler = step('record-use', streamEvent, (event) =>
  recordUses(itemsOf(event, toUseReport), books.auditTrail),
);
