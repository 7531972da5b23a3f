import { Command } from 'commander';
import { createReadStream } from 'node:fs';
import { exportLines } from '../../shared/audit/export-lines.ts';
import { type BrokenChain, type IntactChain, type Verification, verifyChain } from '../../shared/audit/verify.ts';
import { verifyTrail } from '../../shared/audit/verify-trail.ts';
import { DEFAULT_ENVIRONMENT } from '../deployment.ts';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import type { Output } from '../output.ts';
import type { OpenAuditTrail } from './audit-log.ts';
import { printable } from './printable.ts';

const EXAMPLES = `
Without a file it reads the deployed table and compares every chain with its head. With files it needs no AWS at all;
an export does not show by itself whether entries were cut off its end, or whether somebody computed all hashes anew.

Examples:
  $ rekey audit verify                             the deployed trail
  $ rekey audit verify trail.jsonl                 an export of \`rekey audit log --output trail.jsonl\`
  $ rekey audit verify --json march.jsonl april.jsonl

Exit codes: 0 verified, 1 a chain is broken (the first broken link is named), 3 a file or the deployment is missing.`;

/** `rekey audit verify [EXPORT…]`: proves the chains whole, or names the first broken link. Reads only. */
export function auditVerifyCommand(output: Output, open: OpenAuditTrail): Command {
  return new Command('verify')
    .description('prove that no audit entry was changed, removed or reordered')
    .argument('[exports...]', 'export files, each verified by itself (default: the deployed trail)')
    .option('-e, --environment <name>', 'the deployed environment', DEFAULT_ENVIRONMENT)
    .option('--file <export>', 'an export file; may be repeated', (file: string, all: string[]) => [...all, file], [])
    .option('--json', 'print one JSON object for the trail, or one for each file')
    .addHelpText('after', EXAMPLES)
    .action(
      async (
        exports: readonly string[],
        options: { readonly environment: string; readonly file: readonly string[]; readonly json?: boolean },
      ) => {
        const files = [...options.file, ...exports];
        const report = (result: Verification, file?: string): void => {
          output.line(options.json === true ? asJson(result, file) : asSentence(result, file));
          if (!result.verified) process.exitCode = EXIT_CODE.finding;
        };
        if (files.length === 0) return report(await verifyTrail(await open(options.environment)));
        for (const file of files) report(await verifyFile(file), file);
      },
    );
}

async function verifyFile(path: string): Promise<Verification> {
  try {
    return await verifyChain(exportLines(createReadStream(path, { highWaterMark: 1024 * 1024 })));
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    const sentence = `${path} cannot be read. Name an export that exists and that you may read.`;
    throw new CommandFailure(sentence, EXIT_CODE.environment, { cause });
  }
}

function asJson(result: Verification, file: string | undefined): string {
  const { verified, secrets, entries } = result;
  return JSON.stringify({
    ...(file === undefined ? {} : { file }),
    verified,
    secrets,
    entries,
    ...(result.verified ? { newest: result.newest } : { problem: problemOf(result) }),
  });
}

function problemOf({ problem, secretId, sequence, line, detail }: BrokenChain): object {
  return { problem, secretId, sequence, line, detail };
}

function asSentence(result: Verification, file: string | undefined): string {
  const where = file === undefined ? '' : `${printable(file)}: `;
  return `${where}${result.verified ? intact(result) : broken(result, file)}`;
}

function intact({ secrets, entries, newest }: IntactChain): string {
  if (entries === 0) return 'verified: there are no entries';
  return `verified: ${count(entries, 'entry', 'entries')} of ${count(secrets, 'secret', 'secrets')}, newest ${newest}`;
}

function broken({ secretId, sequence, line, detail, entries }: BrokenChain, file: string | undefined): string {
  const before = `${count(entries, 'entry', 'entries')} before it in order`;
  const at = file === undefined || line === undefined ? '' : ` (line ${line})`;
  const link = secretId === undefined ? `line ${line}` : `entry ${sequence} of ${printable(secretId)}${at}`;
  return `broken: ${link}: ${detail}; ${before}`;
}

function count(number: number, one: string, many: string): string {
  return `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`;
}
