import { dispatch, dispatchEvent } from '../../shared/rotation/dispatch.ts';
import { books, environment } from '../books.ts';
import { handler as step } from '../handler.ts';

export const handler = step('dispatch', dispatchEvent, (event) =>
  dispatch(event, { ...books, environment: environment.REKEY_ENVIRONMENT }),
);
