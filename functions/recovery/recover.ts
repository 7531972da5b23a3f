import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { withAwsErrors } from '../../shared/aws/aws-errors.ts';
import { executionStatusChange, recover } from '../../shared/rotation/recover.ts';
import { alertingPorts } from '../alerts.ts';
import { environment } from '../books.ts';
import { required } from '../environment.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';

const stepFunctions = new SFNClient({});
const stateMachineArn = required(environment.VERSION_RETIREMENT_ARN, 'VERSION_RETIREMENT_ARN');

export const handler = step('recover', executionStatusChange, (event) =>
  recover(event, {
    ...rotationPorts,
    ...alertingPorts,
    startRetirement: async (name, input) => {
      try {
        const start = new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) });
        await withAwsErrors(() => stepFunctions.send(start));
      } catch (error) {
        if (!(error instanceof ExecutionAlreadyExists)) throw error;
      }
    },
  }),
);
