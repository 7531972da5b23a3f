import { scheduledEvent } from '../../shared/rotation/dispatch.ts';
import { sweep } from '../../shared/rotation/sweep.ts';
import { handler as step } from '../handler.ts';
import { secretStore } from '../secret-store.ts';
import { books, environment } from '../books.ts';
import { startRetirement } from '../start-retirement.ts';

export const handler = step('sweep', scheduledEvent, () =>
  sweep({ ...books, secretStore, startRetirement }, environment.REKEY_ENVIRONMENT),
);
