import { Logger } from '@aws-lambda-powertools/logger';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import type * as z from 'zod/mini';
import { Misconfigured, type RekeyError } from '../shared/errors.ts';
import { asRekeyError } from '../shared/rotation/operation-log.ts';

const logger = new Logger({ serviceName: 'rekey' });

/**
 * Wraps a step for Lambda: parses the event (unknown input stops here), logs start and end by an allow-list of ids,
 * and lets only errors out whose name, text and stack are safe for Step Functions and the log.
 */
export function handler<Schema extends z.ZodMiniType, Answer>(
  step: string,
  schema: Schema,
  run: (input: z.output<Schema>) => Promise<Answer>,
) {
  return middy()
    .use({
      before: (request) => {
        const parsed = schema.safeParse(request.event);
        if (!parsed.success) {
          request.event = {}; // What did not parse may hold anything, an id's place a secret: nothing of it is logged.
          const where = parsed.error.issues.map(({ path, code }) => `${path.join('.') || 'event'} (${code})`);
          throw new Misconfigured(`The event of ${step} has not the expected shape: ${where.join(', ')}.`);
        }
        request.event = parsed.data;
      },
      after: (request) => {
        logger.info('step ended', { step, ...loggableIds(request.event) });
      },
      onError: (request) => {
        const fault = asRekeyError(request.error);
        logger.warn('step failed', {
          step,
          ...loggableIds(request.event),
          fault: fault.name,
          code: fault.code,
          text: fault.safeMessage,
          places: places(request.error),
        });
        // Replaced, not thrown: middy would attach the original to what is thrown here.
        request.error = presentable(fault);
      },
    })
    .handler(async (event: unknown, _context: Context) => run(event as z.output<Schema>));
}

const LOGGABLE = ['environment', 'secretId', 'rotationId', 'reason', 'versionId'] as const;

function loggableIds(event: unknown): Record<string, unknown> {
  if (typeof event !== 'object' || event === null) return {};
  const entries = Object.entries(event).filter(([key]) => (LOGGABLE as readonly string[]).includes(key));
  return Object.fromEntries(
    entries.map(([key, value]) => [key, typeof value === 'string' ? value.slice(0, 512) : null]),
  );
}

/** Where it happened, and the places of its causes: frames only, because an unknown message may quote a value. */
function places(error: unknown): readonly string[] {
  const found: string[] = [];
  for (let cause = error; cause instanceof Error && found.length < 40; cause = cause.cause) {
    const frames = (cause.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
    found.push(cause.name, ...frames.slice(0, 12).map((line) => line.trim()));
  }
  return found;
}

/** What Lambda serialises: the fault's name and safe text, without its causes. */
function presentable(fault: RekeyError): Error {
  const error = new Error(fault.safeMessage);
  error.name = fault.name;
  error.stack = `${fault.name}: ${fault.safeMessage}`;
  return error;
}
