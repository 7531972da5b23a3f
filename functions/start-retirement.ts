import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { withAwsErrors } from '../shared/aws/aws-errors.ts';
import type { RecoveryPorts } from '../shared/rotation/recover.ts';
import { environment } from './books.ts';
import { required } from './environment.ts';

const stepFunctions = new SFNClient({});
const stateMachineArn = required(environment.VERSION_RETIREMENT_ARN, 'VERSION_RETIREMENT_ARN');

/** Starts `VersionRetirement`; a second start under the same name is the same run. */
export const startRetirement: RecoveryPorts['startRetirement'] = async (name, input) => {
  try {
    const start = new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) });
    await withAwsErrors(() => stepFunctions.send(start));
  } catch (error) {
    if (!(error instanceof ExecutionAlreadyExists)) throw error;
  }
};
