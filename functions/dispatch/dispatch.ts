import { dispatch, dispatchEvent } from '../../shared/rotation/dispatch.ts';
import { handler as step } from '../handler.ts';
import { environment, rotationPorts } from '../ports.ts';

export const handler = step('dispatch', dispatchEvent, (event) =>
  dispatch(event, { ...rotationPorts, environment: environment.REKEY_ENVIRONMENT }),
);
