import { requestInput } from '../../shared/rollout/payloads.ts';
import { reload } from '../../shared/rollout/reload.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';

export const handler = step('reload', requestInput, (input) => reload(input, rotationPorts));
