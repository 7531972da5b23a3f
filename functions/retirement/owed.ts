import { owed } from '../../shared/rotation/owed.ts';
import { retirementInput } from '../../shared/rotation/payloads.ts';
import { alertingPorts } from '../alerts.ts';
import { handler as step } from '../handler.ts';

export const handler = step('owed', retirementInput, (input) => owed(input, alertingPorts));
