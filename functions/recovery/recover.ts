import { executionStatusChange, recover } from '../../shared/rotation/recover.ts';
import { alertingPorts } from '../alerts.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';
import { startRetirement } from '../start-retirement.ts';

export const handler = step('recover', executionStatusChange, (event) =>
  recover(event, { ...rotationPorts, ...alertingPorts, startRetirement }),
);
