import { requestInput } from '../../shared/rollout/payloads.ts';
import { revert } from '../../shared/rotation/revert.ts';
import { alertingPorts } from '../alerts.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';
import { startRetirement } from '../start-retirement.ts';

export const handler = step('revert', requestInput, (input) =>
  revert(input, { ...rotationPorts, ...alertingPorts, startRetirement }),
);
