import {
  CloudWatchLogsClient,
  FilterLogEventsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-cloudwatch-logs';

import { eventually } from './eventually.ts';

const logs = new CloudWatchLogsClient();

/** What a function printed as JSON objects, one per line, oldest first. A line is in the log once its invocation has ended. */
async function printedBy<Row>(functionName: string): Promise<Row[]> {
  const logGroupName = `/aws/lambda/${functionName}`;
  try {
    const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName }));
    return events.flatMap(({ message = '' }) => {
      const start = message.indexOf('{"');
      return start < 0 || message.includes('Invoke Error') ? [] : [JSON.parse(message.slice(start)) as Row];
    });
  } catch (error) {
    // The first invocation makes the group.
    if (error instanceof ResourceNotFoundException) return [];
    throw error;
  }
}

/** The rows that are of interest, once there are as many as expected. */
export async function printed<Row>(functionName: string, count: number, isOurs: (row: Row) => boolean): Promise<Row[]> {
  return await eventually(`${count} rows in the log of ${functionName}`, async () => {
    const rows = (await printedBy<Row>(functionName)).filter(isOurs);
    return rows.length >= count ? rows : undefined;
  });
}
