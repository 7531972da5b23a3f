import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ConfigurationUnreadable } from '../../../../shared/config/configuration-file.ts';
import { ConfigurationInvalid, loadConfiguration } from '../../../../shared/config/load-configuration.ts';

const YAML = `secrets:
  - name: pg
    rotation: daily
    mode: single_role
    connection: { host: db, dbname: app, certificate_authority: certificates/ca.pem }
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rekey-config-'));
  mkdirSync(join(folder, 'project', 'certificates'), { recursive: true });
  writeFileSync(join(folder, 'project', 'secrets.yaml'), YAML);
});
afterEach(() => rmSync(folder, { recursive: true }));

const load = () => loadConfiguration(join(folder, 'project', 'secrets.yaml'));

it('reads the certificates beside the file, and nothing else of what is in theirs', () => {
  const pem = `${rootCertificates[0]}\n`;
  writeFileSync(join(folder, 'project', 'certificates', 'ca.pem'), `# a comment\n${pem}trailing`);
  expect(load().environments[0]?.secrets[0]?.connection?.certificateAuthority).toBe(pem);
});

it('does not follow a link out of the folder', () => {
  writeFileSync(join(folder, 'outside.pem'), rootCertificates[0] ?? '');
  symlinkSync(join(folder, 'outside.pem'), join(folder, 'project', 'certificates', 'ca.pem'));
  expect(load).toThrow(/found no such file/);
});

describe('openclaw.json', () => {
  const YAML_ALONE = 'secrets:\n  - name: pg\n    rotation: daily\n';
  const openClaw = () => join(folder, 'project', 'openclaw.json');
  const zeroDowntime = () => load().environments[0]?.secrets[0]?.rollout.zeroDowntime;
  beforeEach(() => writeFileSync(join(folder, 'project', 'secrets.yaml'), YAML_ALONE));

  it('is read where it lies beside the file, and not where it does not', () => {
    expect(zeroDowntime()).toBe(true);
    writeFileSync(openClaw(), '{ secretsManagement: { apply: { zero_downtime: false } } }');
    expect(zeroDowntime()).toBe(false);
  });

  it('is a problem where it cannot be read, leads elsewhere or is too large, rather than ignored', () => {
    mkdirSync(openClaw());
    expect(load).toThrow(/openclaw\.json:1:1: found no readable file/);
    rmSync(openClaw(), { recursive: true });
    writeFileSync(join(folder, 'outside.json'), '{}');
    symlinkSync(join(folder, 'outside.json'), openClaw());
    expect(load).toThrow(/openclaw\.json:1:1: found no readable file/);
    rmSync(openClaw());
    writeFileSync(openClaw(), Buffer.alloc(10 * 1024 * 1024, ' '));
    expect(load).toThrow(/openclaw\.json:1:1: the file is too large/);
  });
});

it('throws every problem of a wrong file', () => {
  writeFileSync(join(folder, 'project', 'secrets.yaml'), 'secrets:\n  - name: a\n  - rotation: daily\n');
  expect(load).toThrow(ConfigurationInvalid);
  expect(load).toThrow(
    expect.objectContaining({
      name: 'ConfigurationInvalid',
      code: 'REKEY_CONFIGURATION_INVALID',
      problems: [expect.objectContaining({ line: 2, column: 5 }), expect.objectContaining({ line: 3, column: 5 })],
    }),
  );
});

it('says that a file is missing or a directory', () => {
  expect(() => loadConfiguration(join(folder, 'none.yaml'))).toThrow(ConfigurationUnreadable);
  expect(() => loadConfiguration(join(folder, 'none.yaml'))).toThrow(/there is no such file/);
  expect(() => loadConfiguration(folder)).toThrow(/it is a directory/);
});

it.runIf(process.platform === 'linux')('does not read an endless file to its end', () => {
  expect(() => loadConfiguration('/dev/zero')).toThrow(/too large/);
});

it('takes the example at the top of the repository', () => {
  const example = loadConfiguration(new URL('../../../../secrets.yaml', import.meta.url).pathname);
  expect(example.environments[0]?.secrets[0]).toMatchObject({ name: 'pg_prod_main', type: 'postgresql' });
});
