import { InvalidToken, SendTaskSuccessCommand, SFNClient, TaskDoesNotExist, TaskTimedOut } from '@aws-sdk/client-sfn';
import { withAwsErrors } from '../../shared/aws/aws-errors.ts';
import type { TaskTokens } from '../../shared/rollout/rollout-store.ts';

const stepFunctions = new SFNClient({});

/** https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html */
export const taskTokens: TaskTokens = {
  async succeed(taskToken) {
    try {
      await withAwsErrors(() => stepFunctions.send(new SendTaskSuccessCommand({ taskToken, output: '{}' })));
    } catch (error) {
      const isOver =
        error instanceof TaskTimedOut || error instanceof TaskDoesNotExist || error instanceof InvalidToken;
      if (!isOver) throw error;
    }
  },
};
