import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { Command } from 'commander';
import type { RotationRecord } from '../../shared/registry/registry.ts';
import { rotationId } from '../../shared/rotation/rotation-id.ts';
import { DEFAULT_ENVIRONMENT, type Deployment, openDeployment } from '../deployment.ts';
import { systemClock } from '../../shared/clock.ts';
import { isLeased } from '../../shared/rotation/lease.ts';
import { CommandFailure, EXIT_CODE } from '../exit-code.ts';
import { printable } from './printable.ts';
import type { Output } from '../output.ts';
import { requestedBy } from '../requested-by.ts';
import { timeoutMilliseconds } from '../timeout-option.ts';

const POLL_MILLISECONDS = 500;

interface RotateOptions {
  readonly environment: string;
  readonly json?: boolean;
  readonly wait: boolean;
  readonly timeout: string;
}

/** `rekey rotate`: asks for a rotation by the same event that everything else uses, and follows it. */
export function rotateCommand(
  output: Output,
  open: (environment: string) => Promise<Deployment> = openDeployment,
): Command {
  return new Command('rotate')
    .description('Rotate a secret now, by the same workflow as the schedule, and follow it to its end.')
    .argument('<secret>', 'the secret to rotate')
    .option('-e, --environment <name>', 'the deployed environment', DEFAULT_ENVIRONMENT)
    .option('--no-wait', 'return when the request is accepted')
    .option('--timeout <seconds>', 'how long to follow it', '600')
    .option('--json', 'one JSON document at the end')
    .addHelpText(
      'after',
      '\nExamples:\n  rekey rotate pg_prod_main\n  rekey rotate pg_prod_main --no-wait --json\n\nExit code 1 when the rotation was rolled back or did not end in time.',
    )
    .action(async (secretId: string, options: RotateOptions) => {
      const milliseconds = timeoutMilliseconds(options);
      const deployment = await open(options.environment);
      await requireRotatable(deployment, secretId);
      const id = await request(deployment, secretId);
      if (!options.wait) {
        output.line(
          options.json === true
            ? JSON.stringify({ rotation_id: id, status: 'requested' })
            : `Requested rotation ${id}.`,
        );
        return;
      }
      const deadline = systemClock.now().getTime() + milliseconds;
      const rotation = await follow({ deployment, secretId, id, deadline, output });
      report(output, { id, secretId, rotation, json: options.json === true });
    });
}

async function requireRotatable({ registry, environment }: Deployment, secretId: string): Promise<void> {
  const record = await registry.get(secretId);
  if (record === undefined) {
    throw new CommandFailure(
      `"${secretId}" is not registered in ${environment}; "rekey status" lists what is.`,
      EXIT_CODE.finding,
    );
  }
  if (record.status !== 'active') {
    throw new CommandFailure(
      `"${secretId}" is ${record.status} in ${environment}; Rekey does not rotate it.`,
      EXIT_CODE.finding,
    );
  }
  if (isLeased(record, systemClock.now())) {
    throw new CommandFailure(
      `"${secretId}" is being changed by another run right now ("rekey status ${secretId}" shows it); try again when it has ended.`,
      EXIT_CODE.finding,
    );
  }
}

/** The rotation's id follows from the event's, so it is known before the rotation starts. */
async function request({ environment }: Deployment, secretId: string): Promise<string> {
  const detail = { secret_id: secretId, reason: 'manual', requested_by: requestedBy() };
  const answer = await new EventBridgeClient({}).send(
    new PutEventsCommand({
      Entries: [
        {
          Source: 'rekey',
          DetailType: 'Rotation Requested',
          Detail: JSON.stringify(detail),
          Resources: [`rekey:${environment}`],
        },
      ],
    }),
  );
  const eventId = answer.Entries?.[0]?.EventId;
  if (eventId === undefined) throw new CommandFailure('EventBridge did not accept the request.');
  return rotationId(environment, secretId, 'event', eventId);
}

async function follow(run: {
  readonly deployment: Deployment;
  readonly secretId: string;
  readonly id: string;
  readonly deadline: number;
  readonly output: Output;
}): Promise<RotationRecord | undefined> {
  const { deployment, secretId, id, deadline, output } = run;
  const told = new Set<string>();
  const started = systemClock.now().getTime();
  while (systemClock.now().getTime() < deadline) {
    const record = await deployment.registry.get(secretId);
    const rotation =
      record?.rotation?.rotationId === id ? record.rotation : await deployment.registry.archivedRotation(secretId, id);
    for (const { name, startedAt, endedAt } of rotation?.phases ?? []) {
      if (told.has(name) || endedAt === undefined) continue;
      told.add(name);
      output.note(`  ${name.padEnd(9)} ${endedAt.getTime() - startedAt.getTime()} ms`);
    }
    if (rotation !== undefined && rotation.status !== 'running') return rotation;
    if (rotation === undefined && record?.lease !== undefined && !told.has('waiting')) {
      told.add('waiting');
      output.note('  waiting for the workflow to start');
    }
    if (rotation === undefined && told.size === 0 && systemClock.now().getTime() - started > 15_000) {
      told.add('waiting');
      output.note('  not started yet; is the workflow stack deployed?');
    }
    await systemClock.sleep(POLL_MILLISECONDS);
  }
  return undefined;
}

function report(
  output: Output,
  {
    id,
    secretId,
    rotation,
    json,
  }: { id: string; secretId: string; rotation: RotationRecord | undefined; json: boolean },
): void {
  const status = rotation?.status ?? 'running';
  if (json) {
    const phases = (rotation?.phases ?? []).map(({ name, startedAt, endedAt }) => ({
      name,
      milliseconds: endedAt === undefined ? null : endedAt.getTime() - startedAt.getTime(),
    }));
    output.line(
      JSON.stringify({ rotation_id: id, secret_id: secretId, status, phases, fault: rotation?.fault ?? null }),
    );
  } else if (status === 'succeeded') {
    output.line(`Rotated ${secretId}.`);
  } else if (status === 'rolled_back') {
    const { name, message } = rotation?.fault ?? { name: 'Unknown', message: '' };
    const reason = printable(message === '' ? name : `${name}: ${message}`);
    output.line(`Rolled back ${secretId}: ${reason} The value in use is unchanged.`);
  } else {
    output.line(`The rotation of ${secretId} has not ended in time; "rekey status ${secretId}" shows where it is.`);
  }
  if (status !== 'succeeded') process.exitCode = EXIT_CODE.finding;
}
