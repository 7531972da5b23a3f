import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseConfigPath, targetType } from '../../shared/openclaw/config-path.ts';
import { installedOpenClaw } from './support/installed-openclaw.ts';

it("knows the target type of every place that OpenClaw's documentation lists", async () => {
  const { docs } = await installedOpenClaw();
  const page = readFileSync(join(docs, 'reference/secretref-credential-surface.md'), 'utf8');
  const list = page.slice(page.indexOf('secretref-supported-list-start'), page.indexOf('### SQLite'));
  const patterns = [...list.matchAll(/^- `(?<pattern>[^`]+)`$/gm)].map(({ groups }) => groups?.['pattern'] ?? '');
  expect(patterns.length).toBeGreaterThan(100);
  const types = patterns.map((pattern) => targetType(parseConfigPath(pattern.replaceAll('*', 'own-name'))));
  // docs/gateway/secrets-plan-contract.md: models and skills go without the stars.
  expect(types).toEqual(
    patterns.map((pattern) => (/^(?:models|skills)\./.test(pattern) ? pattern.replaceAll('.*', '') : pattern)),
  );
});
