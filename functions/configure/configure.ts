import { readFileSync } from 'node:fs';
import * as z from 'zod/mini';
import type { EnvironmentDeclaration } from '../../shared/config/declaration.ts';
import { configure } from '../../shared/configure/configure.ts';
import { asRekeyError } from '../../shared/rotation/operation-log.ts';
import { isRotatable } from '../../shared/rotators/rotator-for.ts';
import { handler as step } from '../handler.ts';
import { rotationPorts } from '../ports.ts';
import { answer, cloudFormationEvent } from './cloudformation.ts';

/** Asked for by hand or by the CLI. */
const directEvent = z.strictObject({ source: z.literal('rekey.cli') });

/** The parsed file, packed beside this module at synth. */
const declared = JSON.parse(
  readFileSync(new URL('configuration.json', import.meta.url), 'utf8'),
) as EnvironmentDeclaration;

export const handler = step('configure', z.union([cloudFormationEvent, directEvent]), async (event) => {
  if (!('RequestType' in event)) return run();
  try {
    // Secrets outlive the stack: deleting the resource changes nothing.
    const report = event.RequestType === 'Delete' ? undefined : await run();
    await answer(event, { Status: 'SUCCESS', Data: { Report: JSON.stringify(counts(report)) } });
    return report;
  } catch (error) {
    await answer(event, { Status: 'FAILED', Reason: asRekeyError(error).safeMessage });
    throw error;
  }
});

const run = () => configure(declared, { ...rotationPorts, isRotatable });

/** CloudFormation takes 4 KiB: the counts go there, the names to the log of who asked. */
function counts(report: object | undefined): Record<string, number> {
  return Object.fromEntries(Object.entries(report ?? {}).map(([kind, names]) => [kind, (names as unknown[]).length]));
}
