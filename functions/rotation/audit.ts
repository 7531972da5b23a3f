import { audit } from '../../shared/rotation/audit.ts';
import { rotationInput } from '../../shared/rotation/payloads.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';

export const handler = step('audit', rotationInput, (input) => audit(input, rotationPorts));
