import { Command } from 'commander';
import type { Output } from '../output.ts';
import { followCommand } from './openclaw/follow-command.ts';
import { installCommand } from './openclaw/install-command.ts';
import { planCommand } from './openclaw/plan-command.ts';

/** `rekey openclaw …`: OpenClaw's secrets, rotated without a restart. */
export function openclawCommand(output: Output): Command {
  return new Command('openclaw')
    .description('Give OpenClaw its secrets and rotate them without a restart.')
    .addHelpText(
      'after',
      '\nStart with: rekey openclaw install-provider --help. The whole set-up is in docs/openclaw.md.',
    )
    .addCommand(installCommand(output))
    .addCommand(planCommand(output))
    .addCommand(followCommand(output));
}
