import { afterEach, describe, expect, it } from 'vitest';
import { rotateCommand } from '../../../../cli/commands/rotate.ts';
import { statusCommand } from '../../../../cli/commands/status.ts';
import type { Deployment } from '../../../../cli/deployment.ts';
import { withLease } from '../../../../shared/rotation/lease.ts';
import { updateRecord } from '../../../../shared/registry/update-record.ts';
import { generate } from '../../../../shared/rotation/generate.ts';
import { declaration, RotationWorld, SECRET } from '../../../harness/rotation-world.ts';

afterEach(() => {
  process.exitCode = undefined;
});

describe('rekey status', () => {
  it('shows credential, next rotation and what is owed', async () => {
    const world = await RotationWorld.adopted();
    await world.rotate(await world.due());
    const { lines } = await status(world);
    expect(lines[0]).toMatch(/^SECRET\s+TYPE\s+STATE\s+CREDENTIAL\s+AGE\s+NEXT ROTATION\s+OWED$/);
    expect(lines[1]).toMatch(/^pg_prod_main\s+postgresql\s+ok\s+app_a\s+.*app \(in grace\)$/);
  });

  it('shows the running phase', async () => {
    const world = await RotationWorld.adopted();
    await generate(await world.due(), world);
    const { lines } = await status(world);
    expect(lines[1]).toContain('rotating: test');
  });

  it('gives the same to machines, without a value', async () => {
    const world = await RotationWorld.adopted();
    await world.rotate(await world.due());
    const { lines } = await status(world, ['--json']);
    const [{ secrets }] = [JSON.parse(lines[0] ?? '')];
    expect(secrets[0]).toMatchObject({
      secret_id: SECRET,
      state: 'ok',
      current: 'app_a',
      failures: 0,
      running_phase: null,
    });
    const { value } = await world.current();
    expect(lines[0]).not.toContain((JSON.parse(value) as { password: string }).password);
  });

  it('says so, and exits with a finding, when a named secret is not registered', async () => {
    const { notes } = await status(await RotationWorld.adopted(), ['nope']);
    expect(notes).toEqual(['"nope" is not registered in production.']);
    expect(process.exitCode).toBe(1);
  });
});

describe('rekey status of a registry with an entry that cannot be read', () => {
  async function withOneBroken(): Promise<RotationWorld> {
    const world = await RotationWorld.adopted();
    world.secretStore.seed('broken', world.target.seed('other'));
    await world.configure([declaration(), declaration({ name: 'broken' })]);
    world.registry.spoil('broken', 'hunter2');
    return world;
  }

  it('shows all others, names it, and exits with a finding', async () => {
    const { lines, notes } = await status(await withOneBroken());
    expect(lines[1]).toMatch(/^pg_prod_main/);
    expect(notes).toEqual(['The registry\'s entry of "broken" cannot be read.']);
    expect(process.exitCode).toBe(1);
  });

  it('says so of the named one, and nothing of it when another is named', async () => {
    const world = await withOneBroken();
    expect((await status(world, ['broken'])).notes).toEqual(['The registry\'s entry of "broken" cannot be read.']);
    expect((await status(world, [SECRET])).notes).toEqual([]);
  });
});

describe('rekey rotate', () => {
  it.each([
    ['nope', /is not registered in production/],
    [SECRET, /is being changed by another run right now/],
  ])('asks for nothing that cannot start: %s', async (name, sentence) => {
    const world = await RotationWorld.adopted();
    await updateRecord(world.registry, SECRET, (record) => withLease(record, 'another', new Date()));
    const command = rotateCommand(recording().output, async () => deployment(world)).exitOverride();
    await expect(command.parseAsync([name], { from: 'user' })).rejects.toThrow(sentence);
  });
});

async function status(world: RotationWorld, words: readonly string[] = []) {
  const { output, lines, notes } = recording();
  await statusCommand(output, async () => deployment(world))
    .exitOverride()
    .parseAsync([...words], { from: 'user' });
  return { lines, notes };
}

function recording() {
  const lines: string[] = [];
  const notes: string[] = [];
  const output = {
    line: (text: string) => void lines.push(text),
    note: (text: string) => void notes.push(text),
    interactive: false,
  };
  return { output, lines, notes };
}

function deployment({ registry, rollouts }: RotationWorld): Deployment {
  return { environment: 'production', outputs: {}, registry, rollouts, auditTrail: undefined as never };
}
