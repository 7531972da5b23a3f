import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { validateCommand } from '../../../cli/commands/validate.ts';
import { CommandFailure } from '../../../cli/exit-code.ts';

let folder: string;
let lines: string[];
let notes: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rekey-validate-'));
  lines = [];
  notes = [];
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  process.exitCode = undefined;
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function validate(...args: readonly string[]): void {
  const output = {
    line: (text: string) => void lines.push(text),
    note: (text: string) => void notes.push(text),
    interactive: false,
  };
  validateCommand(output).exitOverride().parse(args, { from: 'user' });
}

const GOOD = 'secrets:\n  - { name: a, rotation: daily }\n  - { name: b, rotation: weekly }\n';
const BAD = 'secrets:\n  - { name: a, rotation: dayly }\n';

describe('rekey validate', () => {
  it('counts what a valid file declares and succeeds', () => {
    const path = file('good.yaml', GOOD);
    validate(path);
    expect(lines).toEqual([`${path}: 2 secrets in 1 environment: valid`]);
    expect(process.exitCode).toBeUndefined();
  });

  it('prints every problem with its place and answers 1', () => {
    const path = file('bad.yaml', BAD);
    validate(path, file('good.yaml', GOOD));
    expect(lines[0]).toMatch(`${path}:2:26: found "dayly"; rotation is `);
    expect(lines[1]).toContain('valid');
    expect(process.exitCode).toBe(1);
  });

  it('prints warnings as notes, and they are no failure', () => {
    validate(file('warn.yaml', 'secrets: [{ name: my-secret, rotation: daily }]'));
    expect(notes[0]).toMatch(/^warning: .*warn\.yaml:1:19: /);
    expect(process.exitCode).toBeUndefined();
  });

  it('prints one JSON document for scripts', () => {
    validate('--json', file('bad.yaml', BAD), file('good.yaml', GOOD));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      valid: false,
      files: [
        { valid: false, problems: [{ line: 2, column: 26 }] },
        { valid: true, secrets: 2, environments: 1, problems: [] },
      ],
    });
    expect(process.exitCode).toBe(1);
  });

  it('fails with exit code 3 when a file is missing', () => {
    expect(() => validate(join(folder, 'none.yaml'))).toThrow(CommandFailure);
    expect(() => validate(join(folder, 'none.yaml'))).toThrow(expect.objectContaining({ exitCode: 3 }));
    expect(lines).toEqual([]);
  });

  it('says all about the others when one is missing, and fails with exit code 3 then', () => {
    const [none, bad, good] = [join(folder, 'none.yaml'), file('bad.yaml', BAD), file('good.yaml', GOOD)];
    const missing = `${none}: there is no such file. Name the file to check: rekey validate FILE.`;
    expect(() => validate(bad, none, good)).toThrow(expect.objectContaining({ exitCode: 3, message: missing }));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(`${bad}:2:26: `);
    expect(lines[1]).toMatch(`${good}: 2 secrets`);
  });

  it('has every file in the JSON document, also those that cannot be read', () => {
    const [none, folded] = [join(folder, 'none.yaml'), folder];
    const failure = {
      exitCode: 3,
      message: expect.stringMatching(/none\.yaml: .* file, .*: it is a directory\. Name/),
    };
    expect(() => validate('--json', none, file('good.yaml', GOOD), folded)).toThrow(expect.objectContaining(failure));
    expect(JSON.parse(lines.join('\n'))).toEqual({
      valid: false,
      files: [
        { path: none, valid: false, unreadable: `${none}: there is no such file`, problems: [], warnings: [] },
        expect.objectContaining({ valid: true, secrets: 2 }),
        { path: folded, valid: false, unreadable: `${folded}: it is a directory`, problems: [], warnings: [] },
      ],
    });
  });

  it('shows examples in its help', () => {
    let help = '';
    const command = validateCommand({ line: () => {}, note: () => {}, interactive: false })
      .exitOverride()
      .configureOutput({ writeOut: (text) => (help += text) });
    expect(() => command.parse(['--help'], { from: 'user' })).toThrow();
    expect(help).toContain('$ rekey validate dev.yaml prod.yaml');
    expect(help).toContain('Exit codes');
  });
});
