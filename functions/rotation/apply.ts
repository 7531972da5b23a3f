import { apply } from '../../shared/rotation/apply.ts';
import { rotationInput } from '../../shared/rotation/payloads.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';

export const handler = step('apply', rotationInput, (input) => apply(input, rotationPorts));
