import { settleDebt, settleInput } from '../../shared/rotation/settle-debt.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';

export const handler = step('settle-debt', settleInput, (input) => settleDebt(input, rotationPorts));
