import { Command, CommanderError } from 'commander';
import { writeFile } from 'node:fs/promises';
import { CommandFailure, EXIT_CODE } from '../../cli/exit-code.ts';
import { standardOutput as output } from '../../cli/output.ts';
import { TransientFailure } from '../../shared/errors.ts';
import { LocalCloudFailure } from '../local/local-cloud-failure.ts';
import { runMainJob, workDirectory } from './main-job.ts';
import { type Report, shortcomings } from './report.ts';

const interruption = new AbortController();
const endings: (() => Promise<void>)[] = [];
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interruption.abort(new LocalCloudFailure(`Stopped by ${signal}.`)));
}

const program = new Command('npm start --')
  .description("Rekey's main job on real parts of this machine: deploy, rotate by schedule under load, prove it.")
  .option('--report <file>', 'write the report as JSON')
  .option('--keep', 'leave everything running until Ctrl-C, and print what to try next')
  .addHelpText('after', '\nExamples:\n  npm start\n  npm start -- --report report.json\n  npm start -- --keep')
  .exitOverride();

// Work that an interruption left in the air (a start under way, a wait) must not keep the process.
process.exit(await main());

async function main(): Promise<number> {
  try {
    program.parse();
    const options = program.opts<{ report?: string; keep?: boolean }>();
    const job = runMainJob({ directory: workDirectory, output, signal: interruption.signal }, endings);
    const report = await Promise.race([job, interrupted()]);
    print(report);
    if (options.report !== undefined) await writeFile(options.report, `${JSON.stringify(report, null, 2)}\n`);
    const wrong = shortcomings(report);
    for (const sentence of wrong) output.note(`NOT AS PROMISED: ${sentence}`);
    if (options.keep === true) await keep();
    return wrong.length === 0 ? EXIT_CODE.ok : EXIT_CODE.finding;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.usage;
    if (interruption.signal.aborted) {
      output.note('Stopped.');
      return EXIT_CODE.interrupted;
    }
    output.note(explain(error));
    return EXIT_CODE.environment;
  } finally {
    await end();
  }
}

/** One sentence that says what to do; only what nobody foresaw shows its place. */
function explain(error: unknown): string {
  if (error instanceof LocalCloudFailure || error instanceof CommandFailure) return error.message;
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET' || name === TransientFailure.errorName) {
    return 'The local cloud, or PostgreSQL, has stopped answering: its log under .local/ says why. Run npm start again; it starts afresh.';
  }
  if (code === 'ENOSPC') return 'The disk is full: make room and run npm start again.';
  return `Unexpected: ${error instanceof Error ? error.stack : 'error'}`;
}

function interrupted(): Promise<never> {
  return new Promise((_, reject) => {
    interruption.signal.addEventListener('abort', () => reject(interruption.signal.reason as Error), { once: true });
  });
}

/** Everything that was started, last first; one that does not end in peace does not keep the others. */
async function end(): Promise<void> {
  for (;;) {
    const ending = endings.pop();
    if (ending === undefined) return;
    await ending().catch(() => undefined);
  }
}

async function keep(): Promise<void> {
  output.line('Everything is still running. In another shell:');
  for (const name of ['AWS_ENDPOINT_URL', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION']) {
    output.line(`  export ${name}=${process.env[name] ?? ''}`);
  }
  for (const command of ['status', 'rotate pg_prod_main', 'audit log pg_prod_main', 'audit verify']) {
    output.line(`  npx rekey ${command}`);
  }
  output.line('Ctrl-C ends it.');
  await interrupted().catch(() => undefined);
}

function print(report: Report): void {
  const { queries, audit, alerts } = report;
  output.line('');
  for (const { name, status, milliseconds } of report.phases) {
    output.line(`${name.padEnd(9)} ${status.padEnd(9)} ${milliseconds === null ? '' : `${milliseconds} ms`}`);
  }
  output.line(`queries   ${queries.total} run, ${queries.failed} failed`);
  output.line(`audit     ${audit.entries} entries, ${audit.verified ? 'chain verified' : 'CHAIN BROKEN'}`);
  output.line(`incumbent ${report.incumbentRefused ? 'refused by the server' : 'STILL ACCEPTED'}`);
  output.line(`time      ${report.seconds} s`);
  for (const { subject, body } of alerts) {
    output.line('');
    output.line(`Subject: ${subject}`);
    output.line(body.trimEnd());
  }
}
