import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SecretFiles } from '../../../../cli/run/secret-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rekey-files-test-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('SecretFiles', () => {
  it('replaces a file whole: who has it open goes on reading the old text', () => {
    const files = SecretFiles.create(join(folder, 'secrets'));
    files.write(new Map([['a', 'one']]));
    const open = openSync(join(files.path, 'a'), 'r');
    files.write(new Map([['a', 'two']]));
    expect(readFileSync(open, 'utf8')).toBe('one');
    closeSync(open);
    expect(readFileSync(join(files.path, 'a'), 'utf8')).toBe('two');
    expect(readdirSync(files.path).sort()).toEqual(['.rekey-run', 'a']);
  });

  it('changes nothing when one of the files cannot be written', () => {
    const files = SecretFiles.create(join(folder, 'secrets'));
    files.write(new Map([['a', 'one']]));
    mkdirSync(join(files.path, '.b.new'));
    const texts = new Map([
      ['a', 'two'],
      ['b', 'two'],
    ]);
    expect(() => files.write(texts)).toThrow(expect.objectContaining({ name: 'ReloadFailed' }));
    expect(readFileSync(join(files.path, 'a'), 'utf8')).toBe('one');
    expect(readdirSync(files.path).sort()).toEqual(['.b.new', '.rekey-run', 'a']);
  });

  it('writes nothing once it has been removed', () => {
    mkdirSync(join(folder, 'kept'));
    const files = SecretFiles.create(join(folder, 'kept'));
    files.remove();
    files.remove();
    expect(() => files.write(new Map([['a', 'one']]))).toThrow('have been removed');
    expect(readdirSync(join(folder, 'kept'))).toEqual([]);
  });

  it('follows no link, and makes no path', () => {
    mkdirSync(join(folder, 'real'));
    symlinkSync(join(folder, 'real'), join(folder, 'link'));
    expect(() => SecretFiles.create(join(folder, 'link'))).toThrow('is not a directory');
    expect(() => SecretFiles.create(join(folder, 'a', 'b'))).toThrow('(ENOENT)');
  });

  it('falls back to the temporary files where nothing is in memory, and knows it', () => {
    const files = SecretFiles.create(undefined, [folder]);
    expect(files.isInMemory).toBe(false);
    expect(files.path.startsWith(join(tmpdir(), 'rekey-'))).toBe(true);
    files.remove();
  });
});
