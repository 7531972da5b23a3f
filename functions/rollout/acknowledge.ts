import { acknowledge } from '../../shared/rollout/acknowledge.ts';
import { toAnswer } from '../../shared/rollout/consumer-items.ts';
import { books } from '../books.ts';
import { handler as step } from '../handler.ts';
import { itemsOf, streamEvent } from './stream-event.ts';
import { taskTokens } from './task-tokens.ts';

export const handler = step('acknowledge', streamEvent, (event) =>
  acknowledge(itemsOf(event, toAnswer), { rollouts: books.rollouts, taskTokens }),
);
