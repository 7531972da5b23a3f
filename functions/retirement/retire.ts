import { retirementInput } from '../../shared/rotation/payloads.ts';
import { retire } from '../../shared/rotation/retire.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';

export const handler = step('retire', retirementInput, (input) => retire(input, rotationPorts));
