import type { TargetHarness } from '../rotators/target-harness.ts';
import { ChaosWorld, type Plan, RECOVERIES, type Recovery } from './chaos-world.ts';
import type { Fault } from './saboteur.ts';

/** The columns of the matrix: a fault, and how the work goes on after it. */
export const COLUMNS = [
  { name: 'fails', faults: ['fails'], recovery: 'workflow retries' },
  { name: 'answer lost', faults: ['answer lost'], recovery: 'workflow retries' },
  { name: 'killed, retried', faults: ['killed before', 'killed after'], recovery: 'workflow retries' },
  { name: 'killed, recovery rule', faults: ['killed after'], recovery: 'recovery rule' },
  { name: 'killed, next schedule', faults: ['killed after'], recovery: 'next schedule' },
  { name: 'twice at once', faults: ['twice before', 'twice after'], recovery: 'workflow retries' },
  { name: 'connection lost', faults: ['cut before', 'cut after'], recovery: 'workflow retries' },
] as const satisfies readonly { name: string; faults: readonly Fault[]; recovery: Recovery }[];

export type Column = (typeof COLUMNS)[number]['name'];

/** One scenario: one rotator, one fault at one effect. */
export interface Cell {
  readonly column: Column;
  readonly fault: Fault;
  readonly recovery: Recovery;
  /** Counted from 1. */
  readonly effect: number;
  readonly effectName: string;
  /** Within the effect, where the connection is lost. */
  readonly write?: number;
}

export interface CellResult extends Cell {
  /** What does not hold. */
  readonly broken: readonly string[];
  /** Names that people were told to look for. Nothing broken and nobody told: it survived. */
  readonly told: readonly string[];
}

let adopted = 0;

/** Every cell of one rotator: each effect of an undisturbed rotation with its retirement, under every fault. */
export async function cellsOf(
  harness: TargetHarness,
  plan: Omit<Plan, 'recovery' | 'sabotage'> = {},
): Promise<readonly Cell[]> {
  const world = await ChaosWorld.adopted(harness, nextName(), { ...plan, recovery: 'workflow retries' });
  await world.rotateAndRecover();
  const { effects, writes } = world.saboteur;
  const killedFirst = RECOVERIES.filter((recovery) => recovery !== 'workflow retries');
  return COLUMNS.flatMap((column) => {
    // To who comes after a dead execution, dying after one effect is dying before the next; so before the first one is left.
    const first: readonly Fault[] = killedFirst.includes(column.recovery as never) ? ['killed before'] : [];
    return effects.flatMap((effectName, index) =>
      [...column.faults, ...(index === 0 ? first : [])].flatMap((fault): Cell | Cell[] => {
        const cell = { column: column.name, fault, recovery: column.recovery, effect: index + 1, effectName };
        if (!fault.startsWith('cut')) return cell;
        return Array.from({ length: writes[index + 1] ?? 0 }, (_, write) => ({ ...cell, write: write + 1 }));
      }),
    );
  });
}

/** Runs one cell on a secret of its own. Never throws: what goes wrong is what is asked for. */
export async function runCell(
  harness: TargetHarness,
  cell: Cell,
  plan: Omit<Plan, 'recovery' | 'sabotage'> = {},
): Promise<CellResult> {
  const { recovery, effect, fault, write } = cell;
  const sabotage = { effect, fault, ...(write === undefined ? {} : { write }) };
  const broken: string[] = [];
  const told: string[] = [];
  try {
    const world = await ChaosWorld.adopted(harness, nextName(), { ...plan, recovery, sabotage });
    await world.rotateAndRecover();
    if (!world.saboteur.struck) broken.push('the fault never came');
    broken.push(...world.broken, ...(await world.faults()));
    told.push(...(await world.told()));
    const next = await world.nextRotation();
    if (next !== 'rotated') broken.push(`the next rotation: ${next}`);
    broken.push(...(await world.faults()).map((text) => `after the next rotation: ${text}`));
    broken.push(...world.broken);
    const late = (await world.told()).filter((name) => !told.includes(name));
    if (late.length > 0) broken.push(`the undisturbed rotation after it left doubts: ${late.join(', ')}`);
  } catch (error) {
    broken.push(`${(error as Error).name} came out of the system`);
  }
  return { ...cell, broken: [...new Set(broken)], told };
}

function nextName(): string {
  adopted += 1;
  return `chaos${adopted}`;
}
