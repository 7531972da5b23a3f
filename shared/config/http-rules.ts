import type { HttpDeclaration } from './declaration.ts';
import { checkHttpDeclaration } from '../rotators/http/check-declaration.ts';
import { isAdminWord, wordsOf } from '../rotators/http/vocabulary.ts';
import { httpDeclaration } from './http-schema.ts';
import type { RuleFinding } from './rule-finding.ts';
import type { SecretEntry } from './schema.ts';

/** How many problems of one `http:` are reported: enough to see what is going on. */
const REPORTED_PROBLEMS = 200;

/** Requests that cannot do their work, each at the field that it is about, and an administrator who is nobody. */
export function brokenHttpRules({ http, admin_secret }: SecretEntry): readonly RuleFinding[] {
  if (http === undefined) return [];
  const declaration = httpDeclaration(http);
  const findings = checkHttpDeclaration(declaration)
    .slice(0, REPORTED_PROBLEMS)
    .map((problem) => ({ at: ['http', ...placeOf(problem)], message: `http.${problem.replace(/(?<!\.)\.$/, '')}` }));
  if (admin_secret === undefined && asksForAdmin(declaration))
    findings.push({
      at: ['http'],
      message: 'found {{admin}} in http without admin_secret; {{admin}} is what that secret holds',
    });
  return findings;
}

/** A problem begins with the field that it is about: `create.capture.value is missing: …`. */
function placeOf(problem: string): readonly string[] {
  return problem.slice(0, problem.indexOf(' ')).split('.');
}

function asksForAdmin({ create, test, revoke, list }: HttpDeclaration): boolean {
  return [create, test, revoke, ...(list === undefined ? [] : [list])].some((request) =>
    wordsOf(request).some(isAdminWord),
  );
}
