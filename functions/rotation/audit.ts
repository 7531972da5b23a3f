import { audit } from '../../shared/rotation/audit.ts';
import { rotationInput } from '../../shared/rotation/payloads.ts';
import { books } from '../books.ts';
import { handler as step } from '../handler.ts';

export const handler = step('audit', rotationInput, (input) => audit(input, books));
