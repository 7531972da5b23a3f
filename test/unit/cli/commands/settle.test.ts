import { expect, it } from 'vitest';
import { settleCommand } from '../../../../cli/commands/settle.ts';
import type { Deployment } from '../../../../cli/deployment.ts';
import type { SettleResult } from '../../../../shared/rotation/settle-debt.ts';

async function settle(words: readonly string[], result: SettleResult) {
  const lines: string[] = [];
  const asked: object[] = [];
  const open = async () => ({ outputs: { SettleDebtFunction: 'the-function' } }) as unknown as Deployment;
  const invoke = async (functionName: string, input: object) => {
    asked.push({ functionName, ...input });
    return result;
  };
  const output = { line: (text: string) => void lines.push(text), note: () => undefined, interactive: false };
  await settleCommand(output, { open, invoke })
    .exitOverride()
    .parseAsync([...words], { from: 'user' });
  return { lines, asked };
}

const STATED: SettleResult = { versionId: 'v1', identity: 'key-1', proof: 'stated' };

it('asks for what was said, and says how it was settled', async () => {
  const { lines, asked } = await settle(['billing', 'v1', '--statement', 'gone'], STATED);
  expect(asked).toEqual([
    {
      functionName: 'the-function',
      environment: 'production',
      secretId: 'billing',
      requestId: expect.any(String),
      requestedBy: expect.stringMatching(/^cli:/),
      debt: 'v1',
      statement: 'gone',
    },
  ]);
  expect(lines).toEqual([
    'billing: nothing is owed for version v1 ("key-1") any more: by your word: there is no value that could be tried.',
  ]);
});

it('asks which one is owed where none is named, and names that; answers machines', async () => {
  const { lines, asked } = await settle(['billing', '-s', 'gone', '--json'], { ...STATED, proof: 'refused' });
  expect(asked).toHaveLength(2);
  expect(asked[0]).not.toHaveProperty('debt');
  expect(asked[1]).toEqual({ ...asked[0], debt: 'v1' });
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    secret_id: 'billing',
    version_id: 'v1',
    credential: 'key-1',
    proof: 'refused',
  });
});

it('shows no name that would write over what stands there', async () => {
  const { lines } = await settle(['billing', 'v1', '-s', 'gone'], { ...STATED, identity: 'a\u001b[2K\u202eb' });
  for (const sign of ['\u001b', '\u202e']) expect(lines.join('')).not.toContain(sign);
});

it('is not asked without a statement', async () => {
  await expect(settle(['billing'], STATED)).rejects.toThrow(/--statement/);
});
