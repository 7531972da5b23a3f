import {
  CloudWatchLogsClient,
  type FilteredLogEvent,
  paginateDescribeLogGroups,
  paginateFilterLogEvents,
} from '@aws-sdk/client-cloudwatch-logs';

/** Everything that the deployed functions have logged, a line each: `log group  message`. */
export async function readFunctionLogs(): Promise<readonly string[]> {
  const client = new CloudWatchLogsClient({});
  const lines: string[] = [];
  for await (const { logGroups } of paginateDescribeLogGroups({ client }, {})) {
    for (const { logGroupName } of logGroups ?? []) {
      if (logGroupName === undefined) continue;
      for await (const { events } of paginateFilterLogEvents({ client }, { logGroupName })) {
        lines.push(
          ...(events ?? []).map(({ message }: FilteredLogEvent) => `${logGroupName}  ${message?.trimEnd() ?? ''}`),
        );
      }
    }
  }
  return lines;
}
