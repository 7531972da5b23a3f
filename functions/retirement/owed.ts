import { owed } from '../../shared/rotation/owed.ts';
import { owedInput } from '../../shared/rotation/payloads.ts';
import { alertingPorts } from '../alerts.ts';
import { handler as step } from '../handler.ts';

export const handler = step('owed', owedInput, (input) => owed(input, alertingPorts));
