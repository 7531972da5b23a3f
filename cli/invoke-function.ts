import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { CommandFailure, EXIT_CODE } from './exit-code.ts';

/** Invokes one of Rekey's functions and answers what it answers. Its refusal is a CommandFailure with its safe text. */
export async function invokeFunction<Answer>(FunctionName: string, input: object): Promise<Answer> {
  const answer = await new LambdaClient({}).send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(input) }));
  const payload: unknown = JSON.parse(Buffer.from(answer.Payload ?? []).toString() || '{}');
  if (answer.FunctionError !== undefined) {
    const { errorMessage = 'The log of the function has the reason.' } = payload as { readonly errorMessage?: string };
    throw new CommandFailure(errorMessage, EXIT_CODE.finding);
  }
  return payload as Answer;
}
