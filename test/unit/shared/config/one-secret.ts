import type { SecretDeclaration } from '../../../../shared/config/declaration.ts';
import { type ParseResult, parseConfiguration } from '../../../../shared/config/parse-configuration.ts';
import { formatProblem } from '../../../../shared/config/problem.ts';

const NOW = new Date('2026-01-01T00:00:00Z');

/** Texts by path. */
type Files = Readonly<Record<string, string>>;

/** A file with one secret; the lines follow its name and rotation, from line 4 and column 5 on. */
export function parseSecret(lines: readonly string[], openClaw?: string, files: Files = {}): ParseResult {
  const text = ['secrets:', '  - name: one', '    rotation: daily', ...lines.map((line) => `    ${line}`), ''];
  const found: Files = openClaw === undefined ? files : { ...files, 'openclaw.json': openClaw };
  const beside = (path: string) => (found[path] === undefined ? undefined : Buffer.from(found[path]));
  return parseConfiguration({ path: 'secrets.yaml', bytes: Buffer.from(text.join('\n')) }, beside, NOW);
}

/** The declaration of a valid file's secret. */
export function secret(lines: readonly string[], openClaw?: string, files?: Files): SecretDeclaration {
  const result = parseSecret(lines, openClaw, files);
  const only = result.ok ? result.configuration.environments[0]?.secrets[0] : undefined;
  if (only === undefined) throw new Error(JSON.stringify(result));
  return only;
}

/** Every problem as `LINE:COLUMN: MESSAGE`; none for a valid file. */
export function problems(lines: readonly string[], openClaw?: string, files?: Files): readonly string[] {
  const result = parseSecret(lines, openClaw, files);
  return result.ok ? [] : result.problems.map((problem) => placed(formatProblem(problem)));
}

/** Every warning of a valid file as `LINE:COLUMN: MESSAGE`. */
export function warnings(lines: readonly string[], openClaw?: string): readonly string[] {
  const result = parseSecret(lines, openClaw);
  return result.ok ? result.warnings.map((problem) => placed(formatProblem(problem))) : ['invalid'];
}

function placed(line: string): string {
  return line.replace(/^secrets\.yaml:/, '');
}

/** What `work` costs this process, whatever else the machine does. */
export function cpuMilliseconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
