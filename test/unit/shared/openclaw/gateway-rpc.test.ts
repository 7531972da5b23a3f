import { describe, expect, it } from 'vitest';
import { OpenClawCommand, type RunCommand } from '../../../../shared/openclaw/gateway-rpc.ts';

const TOKEN = 'token-0123456789';
const signal = new AbortController().signal;

describe('the command openclaw', () => {
  it('gets address and token by its environment, never by its command line, and nothing of AWS', async () => {
    const seen: { words: readonly string[]; environment: NodeJS.ProcessEnv }[] = [];
    const rpc = commandThat(async (words, { environment }) => {
      seen.push({ words, environment });
      return { exitCode: 0, stdout: '{"ok":true,"warningCount":0}' };
    });
    expect(await rpc.reload(signal)).toEqual({ ok: true, warningCount: 0 });
    expect(seen[0]?.words).toEqual(['openclaw', 'secrets', 'reload', '--json']);
    expect(seen[0]?.environment).toMatchObject({
      OPENCLAW_GATEWAY_URL: 'ws://127.0.0.1:1',
      OPENCLAW_GATEWAY_TOKEN: TOKEN,
      PATH: '/bin',
    });
    expect(seen[0]?.environment).not.toHaveProperty('AWS_SECRET_ACCESS_KEY');
  });

  it('says who the gateway is and what is degraded, without the reasons', async () => {
    const owner = { ownerKind: 'model-provider', ownerId: 'openai', reason: 'secret text' };
    const rpc = commandThat(async () => ({
      exitCode: 0,
      stdout: JSON.stringify({ pid: 7, degradedSecretOwners: [owner, { ownerId: 'a b\nc' }] }),
    }));
    expect(await rpc.status(signal)).toEqual({ pid: 7, degraded: ['model-provider openai', 'undefined ?'] });
  });

  it.each([
    [{ exitCode: 1, stdout: '{"ok":false}' }, /ended with exit code 1/],
    [{ exitCode: 0, stdout: '' }, /answered what Rekey does not know/],
    [{ exitCode: 0, stdout: '{"ok":"yes"}' }, /answered what Rekey does not know/],
  ])('refuses %j', async (result, sentence) => {
    await expect(commandThat(async () => result).reload(signal)).rejects.toThrow(sentence);
  });

  it('says that the command is not there', async () => {
    const rpc = new OpenClawCommand({ url: 'ws://127.0.0.1:1', token: TOKEN, command: ['/nowhere/openclaw'] });
    await expect(rpc.reload(signal)).rejects.toThrow('The command "/nowhere/openclaw" cannot be run (ENOENT).');
  });
});

function commandThat(run: RunCommand): OpenClawCommand {
  return new OpenClawCommand({
    url: 'ws://127.0.0.1:1',
    token: TOKEN,
    environment: { PATH: '/bin', AWS_SECRET_ACCESS_KEY: 'x' },
    run,
  });
}
