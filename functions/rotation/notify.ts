import { notify } from '../../shared/rotation/notify.ts';
import { notifyInput } from '../../shared/rotation/payloads.ts';
import { alertingPorts } from '../alerts.ts';
import { handler as step } from '../handler.ts';

export const handler = step('notify', notifyInput, (input) => notify(input, alertingPorts));
