import { generate } from '../../shared/rotation/generate.ts';
import { rotationInput } from '../../shared/rotation/payloads.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';

export const handler = step('generate', rotationInput, (input) => generate(input, rotationPorts));
