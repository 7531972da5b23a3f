import { judgeBatch } from '../../shared/rollout/judge-batch.ts';
import { batchInput } from '../../shared/rollout/payloads.ts';
import { books } from '../books.ts';
import { handler as step } from '../handler.ts';

export const handler = step('judge-batch', batchInput, (input) => judgeBatch(input, books));
