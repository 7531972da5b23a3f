import { releaseInput } from '../../shared/rollout/payloads.ts';
import { releaseBatch } from '../../shared/rollout/release-batch.ts';
import { books } from '../books.ts';
import { handler as step } from '../handler.ts';
import { taskTokens } from './task-tokens.ts';

export const handler = step('release-batch', releaseInput, (input) => releaseBatch(input, { ...books, taskTokens }));
