#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { RekeyError } from '../shared/errors.ts';
import { auditCommand } from './commands/audit.ts';
import { configureCommand } from './commands/configure.ts';
import { localCommand } from './commands/local.ts';
import { openclawCommand } from './commands/openclaw.ts';
import { reloadCommand } from './commands/reload.ts';
import { resolveCommand } from './commands/resolve.ts';
import { rollbackCommand } from './commands/rollback.ts';
import { rotateCommand } from './commands/rotate.ts';
import { rotatorsCommand } from './commands/rotators.ts';
import { runCommand } from './commands/run.ts';
import { settleCommand } from './commands/settle.ts';
import { statusCommand } from './commands/status.ts';
import { validateCommand } from './commands/validate.ts';
import { openDeployment } from './deployment.ts';
import { CommandFailure, EXIT_CODE } from './exit-code.ts';
import { standardOutput as output } from './output.ts';

const program = new Command('rekey')
  .description('Zero-downtime secret rotation: declare, rotate, prove.')
  .version('0.1.0')
  .showHelpAfterError('(rekey --help shows what there is)')
  .addHelpText(
    'after',
    '\nExit codes: 0 done; 1 what was checked is not well; 2 wrong command line; 3 something around it is missing; 130 interrupted.',
  );
for (const command of [
  statusCommand(output),
  rotateCommand(output),
  rollbackCommand(output),
  reloadCommand(output),
  settleCommand(output),
  runCommand(output),
  auditCommand(output, async (environment) => (await openDeployment(environment)).auditTrail),
  configureCommand(output),
  validateCommand(output),
  rotatorsCommand(output),
  openclawCommand(output),
  resolveCommand(output),
  localCommand(output),
]) {
  program.addCommand(withExitOverride(command));
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT_CODE.ok); // A reader such as `head` has enough.
  throw error;
});

try {
  await program.exitOverride().parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function withExitOverride(command: Command): Command {
  command.exitOverride();
  for (const sub of command.commands) withExitOverride(sub);
  return command;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.usage;
  if (error instanceof CommandFailure) {
    output.note(`rekey: ${error.message}`);
    return error.exitCode;
  }
  if (error instanceof RekeyError) {
    output.note(`rekey: ${error.safeMessage} (${error.code})`);
    return EXIT_CODE.environment;
  }
  const name = error instanceof Error ? error.name : 'error';
  const place =
    error instanceof Error ? (error.stack ?? '').split('\n').find((line) => /^\s+at /.test(line)) : undefined;
  output.note(
    `rekey: unexpected ${name}${place === undefined ? '' : ` ${place.trim()}`}. Please report it with this line.`,
  );
  return EXIT_CODE.environment;
}
