import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** Its semantics change between releases: what this project was measured against. */
const OPENCLAW_VERSION = '2026.9.6';
const INSTALL_MILLISECONDS = 300_000;

export interface InstalledOpenClaw {
  /** `openclaw.mjs`, for node. */
  readonly program: string;
  /** Its own documentation. */
  readonly docs: string;
}

/**
 * OpenClaw in a folder of its own under `.local/`: 600 MB and 30 to 60 s the first time, so it is no dependency of the
 * project. Half an installation is thrown away and made again.
 */
export async function installedOpenClaw(): Promise<InstalledOpenClaw> {
  const directory = resolve('.local', `openclaw-${OPENCLAW_VERSION}`);
  const root = join(directory, 'node_modules', 'openclaw');
  const done = join(directory, 'installed');
  if (!existsSync(done)) {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'package.json'), '{ "private": true }\n');
    await install(directory);
    writeFileSync(done, OPENCLAW_VERSION);
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  if (version !== OPENCLAW_VERSION) throw new Error(`${directory} has openclaw ${version}: delete it.`);
  return { program: join(root, 'openclaw.mjs'), docs: join(root, 'docs') };
}

async function install(directory: string): Promise<void> {
  const words = ['install', `openclaw@${OPENCLAW_VERSION}`, '--ignore-scripts', '--omit=optional', '--no-audit'];
  // This project's node first: npm itself runs on it too.
  const PATH = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
  try {
    const options = { cwd: directory, timeout: INSTALL_MILLISECONDS, env: { ...process.env, PATH } };
    await promisify(execFile)('npm', words, options);
  } catch (cause) {
    throw new Error(
      `openclaw@${OPENCLAW_VERSION} could not be installed from the npm registry (600 MB). These tests need it once: ` +
        'see whether "npm ping" works, then run them again.',
      { cause },
    );
  }
}
