import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assertRoom } from './disk-space.ts';
import { LocalCloudFailure } from './local-cloud-failure.ts';
import { isRunning } from './process-group.ts';

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));
const OLDEST_PYTHON = [3, 10] as const;
const CANDIDATES = ['python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3', 'python'];
const NEEDED_MEGABYTES = 300;
const CLEAN_ENVIRONMENT = { PYTHONNOUSERSITE: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1' };

interface Python {
  readonly executable: string;
  readonly version: string;
}

/**
 * The Python of a virtual environment below `directory` that holds exactly what requirements.txt pins. Made once for
 * each content of that file, in a draft that is renamed when complete: whatever interrupts it, the next call starts clean.
 */
export async function pythonEnvironment(options: {
  readonly directory: string;
  readonly onProgress?: ((line: string) => void) | undefined;
}): Promise<string> {
  const { directory } = options;
  const fingerprint = createHash('sha256')
    .update(await readFile(REQUIREMENTS))
    .digest('hex')
    .slice(0, 12);
  const home = join(directory, `python-${fingerprint}`);
  const python = join(home, 'bin', 'python');
  // An environment breaks when the Python it was made from is removed: then the link leads nowhere, and it is made anew.
  if (await exists(python)) return python;

  const base = await findPython();
  await mkdir(directory, { recursive: true });
  await assertRoom(directory, NEEDED_MEGABYTES);
  await removeAbandonedDrafts(directory);
  const draft = `${home}.draft-${process.pid}`;
  try {
    options.onProgress?.(`Local cloud: preparing Python ${base.version} once (about a minute)`);
    await makeVirtualEnvironment(base, draft);
    await install(join(draft, 'bin', 'python'), join(directory, 'pip.log'));
    await rm(home, { recursive: true, force: true });
    // Fails when another process was quicker: its environment is as good as ours.
    await rename(draft, home).catch(async (error: unknown) => {
      if (!(await exists(python))) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return python;
}

/** The first Python on the PATH that is new enough. The name is not believed: version managers leave names that do not run. */
export async function findPython(candidates: readonly string[] = CANDIDATES): Promise<Python> {
  const found: string[] = [];
  for (const candidate of candidates) {
    const python = await ask(candidate);
    if (python === undefined) continue;
    const [major = 0, minor = 0] = python.version.split('.').map(Number);
    if (major === OLDEST_PYTHON[0] && minor >= OLDEST_PYTHON[1]) return python;
    found.push(`${candidate} is ${python.version}`);
  }
  throw new LocalCloudFailure(
    `The local cloud needs Python ${OLDEST_PYTHON.join('.')} or newer on the PATH (${found.length === 0 ? 'none was found' : found.join(', ')}): install it, for example with \`apt-get install python3 python3-venv\` or \`brew install python\`.`,
  );
}

async function ask(candidate: string): Promise<Python | undefined> {
  try {
    const program = 'import sys; print(sys.executable); print("%d.%d.%d" % sys.version_info[:3])';
    const { stdout } = await promisify(execFile)(candidate, ['-c', program], { timeout: 15_000 });
    const [executable, version] = stdout.trim().split('\n');
    return executable === undefined || version === undefined ? undefined : { executable, version };
  } catch {
    // Not on the PATH, or a name that leads nowhere: the next candidate.
    return undefined;
  }
}

async function makeVirtualEnvironment(base: Python, home: string): Promise<void> {
  const { code, output } = await run(base.executable, ['-m', 'venv', home]);
  if (code === 0) return;
  if (isFull(output)) throw diskFull(home);
  if (/ensurepip|No module named '?venv/.test(output)) {
    throw new LocalCloudFailure(
      `Python ${base.version} (${base.executable}) comes without its venv module: install it, on Debian and Ubuntu with \`apt-get install python3-venv\`, and run the same command again.`,
    );
  }
  throw new LocalCloudFailure(
    `\`${base.executable} -m venv\` failed (${lastLine(output)}): make it work and run the same command again.`,
  );
}

async function install(python: string, logFile: string): Promise<void> {
  const options = ['--quiet', '--require-hashes', '--only-binary=:all:', '--requirement', REQUIREMENTS];
  const { code, output } = await run(python, ['-m', 'pip', 'install', ...options]);
  if (code === 0) return;
  const log = await open(logFile, 'w').catch(() => undefined);
  await log?.writeFile(output).catch(() => undefined);
  await log?.close();
  if (isFull(output)) throw diskFull(python);
  if (/DO NOT MATCH THE HASHES/.test(output)) {
    throw new LocalCloudFailure(
      `The package index sent files whose hashes differ from infra/local/requirements.txt, so nothing was installed (see ${logFile}): use the official index or a faithful mirror.`,
    );
  }
  if (
    /NewConnectionError|name resolution|Name or service not known|Could not find a version|timed out|ProxyError|SSLError/i.test(
      output,
    )
  ) {
    throw new LocalCloudFailure(
      `pip could not download the packages of infra/local/requirements.txt (see ${logFile}): check the network, the proxy and pip's index, and run the same command again.`,
    );
  }
  throw new LocalCloudFailure(`pip failed (${lastLine(output)}); everything it said is in ${logFile}.`);
}

async function run(
  command: string,
  commandArguments: readonly string[],
): Promise<{ code: number | null; output: string }> {
  return await new Promise((resolve, reject) => {
    const child = spawn(command, commandArguments, {
      env: { ...process.env, ...CLEAN_ENVIRONMENT },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

const isFull = (output: string): boolean => /No space left on device|Errno 28/.test(output);

function diskFull(place: string): LocalCloudFailure {
  return new LocalCloudFailure(`The disk that holds ${place} is full: make room and run the same command again.`);
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1)?.trim() ?? 'without a word';
}

async function removeAbandonedDrafts(directory: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    const maker = /^python-[0-9a-f]+\.draft-(\d+)$/.exec(entry)?.[1];
    if (maker !== undefined && !isRunning(Number(maker)))
      await rm(join(directory, entry), { recursive: true, force: true });
  }
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}
