import { fourStepEvent, fourSteps } from '../../shared/rotation/four-steps.ts';
import { alertingPorts } from '../alerts.ts';
import { environment } from '../books.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';
import { startRetirement } from '../start-retirement.ts';

export const handler = step('rotation-contract', fourStepEvent, (event) =>
  fourSteps(event, { ...rotationPorts, ...alertingPorts, startRetirement }, environment.REKEY_ENVIRONMENT),
);
