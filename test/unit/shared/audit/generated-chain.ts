import type { AuditHead, AuditOperation } from '../../../../shared/audit/audit-trail.ts';
import { GENESIS, type LinkedEntry, linkEntries } from '../../../../shared/audit/chain.ts';
import { lineOf } from '../../../../shared/audit/entry-line.ts';
import * as fc from '../../../harness/properties.ts';

/** Text that tries to look like the parts of a line. */
const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('","hash":"', ',"previous_hash":"', '\u0000', '\n', '\u2028', '}{', '\\', '"', '\ud800', '__proto__'),
);
const fact = fc.oneof(
  hostileText,
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.array(hostileText),
);
const factName = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom('10', '9', 'hash', 'previous_hash', 'constructor', '__proto__'),
);

export const anyOperation: fc.Arbitrary<AuditOperation> = fc.record({
  operationId: fc.uuid(),
  timestamp: fc.date({ min: new Date('2020-01-01'), max: new Date('2099-01-01'), noInvalidDate: true }),
  action: hostileText,
  agent: hostileText,
  context: fc.tuple(fc.array(fc.tuple(factName, fact), { maxLength: 4 }), hostileText).map(([facts, reason]) => ({
    ...Object.fromEntries(facts),
    ip_address: '10.0.0.1',
    reason,
  })),
  riskLevel: fc.constantFrom('critical', 'high', 'medium', 'low'),
});

export interface GeneratedChain {
  readonly lines: readonly string[];
  readonly heads: ReadonlyMap<string, AuditHead>;
}

export function linesOf(entries: readonly LinkedEntry[]): string[] {
  return entries.map(({ canonical, hash }) => lineOf(canonical, hash));
}

/** The export of one secret with `operations`. */
export function chainOf(operations: readonly AuditOperation[], secretId = 'prod/openai'): GeneratedChain {
  const entries = linkEntries(secretId, undefined, operations);
  const last = entries.at(-1) ?? GENESIS;
  return { lines: linesOf(entries), heads: new Map([[secretId, { sequence: last.sequence, hash: last.hash }]]) };
}

export const anyChain = (minLength: number): fc.Arbitrary<GeneratedChain> =>
  fc.array(anyOperation, { minLength, maxLength: 12 }).map((operations) => chainOf(operations));
