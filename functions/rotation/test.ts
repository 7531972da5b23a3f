import { test } from '../../shared/rotation/test.ts';
import { rotationInput } from '../../shared/rotation/payloads.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';

export const handler = step('test', rotationInput, (input) => test(input, rotationPorts));
