import {
  DynamoDBServiceException,
  ProvisionedThroughputExceededException,
  TransactionCanceledException,
} from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { withAwsErrors } from '../../../../shared/aws/aws-errors.ts';
import { RekeyError, StillAlive, Throttled, TransientFailure } from '../../../../shared/errors.ts';

async function failWith(error: unknown): Promise<unknown> {
  try {
    await withAwsErrors(async () => {
      throw error;
    });
  } catch (thrown) {
    return thrown;
  }
  return expect.unreachable('the call failed and nothing was thrown');
}

const serviceError = (name: string, httpStatusCode: number, message = 'sekret-value'): DynamoDBServiceException =>
  new DynamoDBServiceException({ name, message, $fault: 'client', $metadata: { httpStatusCode } });

const systemError = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

const cancelled = (...codes: string[]): TransactionCanceledException =>
  new TransactionCanceledException({
    message: 'cancelled',
    $metadata: { httpStatusCode: 400 },
    CancellationReasons: codes.map((Code) => ({ Code })),
  });

describe('withAwsErrors', () => {
  it('answers what the call answers', async () => {
    await expect(withAwsErrors(() => Promise.resolve(7))).resolves.toBe(7);
  });

  it.each([
    ['exceeded table throughput', new ProvisionedThroughputExceededException({ message: 'm', $metadata: {} })],
    ['a throttling name', serviceError('ThrottlingException', 400)],
    ['status 429 without a known name', serviceError('Whatever', 429)],
    ['a transaction cancelled by throttling', cancelled('None', 'ThrottlingError')],
    ['a transaction cancelled by exceeded throughput', cancelled('ProvisionedThroughputExceeded', 'None')],
  ])('throws Throttled for %s and keeps the cause', async (_, error) => {
    const thrown = await failWith(error);
    expect(thrown).toBeInstanceOf(Throttled);
    expect(thrown).toHaveProperty('cause', error);
  });

  it.each([
    ['a 500', serviceError('SomethingNew', 500)],
    ['a 503', serviceError('ServiceUnavailable', 503)],
    ['an internal error by name', serviceError('InternalServiceError', 400)],
    ['an SDK timeout', Object.assign(new Error('timed out'), { name: 'TimeoutError' })],
    ['a refused connection', systemError('ECONNREFUSED')],
    ['a name server that does not answer', systemError('EAI_AGAIN')],
    ['a refused connection on every address', new AggregateError([systemError('ECONNREFUSED')])],
    ['a reset connection under a wrapper', new Error('fetch failed', { cause: systemError('ECONNRESET') })],
    ['a write that met a transaction', serviceError('TransactionConflictException', 400)],
    ['a transaction whose first try still runs', serviceError('TransactionInProgressException', 400)],
  ])('throws TransientFailure for %s and keeps the cause', async (_, error) => {
    const thrown = await failWith(error);
    expect(thrown).toBeInstanceOf(TransientFailure);
    expect(thrown).toHaveProperty('cause', error);
  });

  it.each([
    ['a refused permission', serviceError('AccessDeniedException', 400)],
    ['a quota that waiting does not lift', serviceError('LimitExceededException', 400)],
    ['a transaction cancelled by a condition', cancelled('ConditionalCheckFailed', 'None')],
    ['a defect', new TypeError('x is not a function')],
    ['an error that is already ours', new StillAlive('ours', { cause: systemError('ECONNRESET') })],
    ['something that is not an error', 'text'],
    ['nothing', undefined],
  ])('rethrows %s unchanged', async (_, error) => {
    expect(await failWith(error)).toBe(error);
  });

  it('keeps the text of AWS, which may quote input, out of the safe message', async () => {
    for (const error of [serviceError('ThrottlingException', 400), serviceError('name with sekret-value', 500)]) {
      const thrown = await failWith(error);
      expect(thrown).toBeInstanceOf(RekeyError);
      expect((thrown as RekeyError).safeMessage).not.toContain('sekret');
    }
  });

  it('ends on a cause that refers to itself', async () => {
    const error = new Error('loop');
    error.cause = error;
    expect(await failWith(error)).toBe(error);
  });
});
