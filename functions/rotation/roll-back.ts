import { rollBackInput } from '../../shared/rotation/payloads.ts';
import { rollBack } from '../../shared/rotation/roll-back.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';

export const handler = step('roll_back', rollBackInput, (input) => rollBack(input, rotationPorts));
