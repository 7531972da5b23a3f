import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  failedAlert,
  notBegunAlert,
  owedAlert,
  rolledBackAlert,
  succeededAlert,
} from '../../../../shared/alerts/compose.ts';
import { remedyFor } from '../../../../shared/alerts/remedies.ts';
import * as errors from '../../../../shared/errors.ts';
import type { RotationRecord, SecretRecord } from '../../../../shared/registry/registry.ts';
import { declaration } from '../../../harness/rotation-world.ts';

const NOW = new Date('2026-03-01T12:00:10.000Z');
const ID = '11111111-1111-8111-8111-111111111111';

describe('an alert', () => {
  it('has a subject that SNS takes, whatever the names are', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 512, unit: 'binary' }),
        fc.string({ maxLength: 200 }),
        (name, fault) => {
          for (const { subject } of everyAlert(name, fault)) {
            expect(subject.length).toBeLessThan(100);
            expect(subject).toMatch(/^[\x20-\x7e]+$/);
          }
        },
      ),
    );
  });

  it('says what happened, the effect and what to do', () => {
    for (const { body } of everyAlert('pg_prod_main', 'TargetUnreachable')) {
      expect(body).toMatch(/^What happened: /);
      expect(body).toContain('\nEffect: ');
      expect(body).toContain('\nWhat to do: ');
      expect(body).toContain(`rekey audit log pg_prod_main --rotation ${ID}`);
    }
  });

  it('names the grace that is still owed after a success', () => {
    const { body, facts } = succeededAlert(record('pg'), rotation('pg', 'x'), NOW);
    expect(body).toContain('"app" stays valid until 2026-03-01T13:00:00Z');
    expect(facts).toMatchObject({ duration_seconds: 10, retire_at: '2026-03-01T13:00:00.000Z' });
  });

  it('has a remedy for every fault that a target, a table or a person causes', () => {
    const unexplained = new Set(['LeaseHeld', 'RotationEnded', 'StillAlive', 'InternalFault']);
    for (const error of Object.values(errors)) {
      if (!('errorName' in error) || unexplained.has(error.errorName)) continue;
      expect(remedyFor(error.errorName), error.errorName).not.toContain("functions' logs");
    }
  });
});

function everyAlert(secretId: string, fault: string) {
  const about = record(secretId);
  const ended = rotation(secretId, fault);
  const [debt] = about.ledger;
  if (debt === undefined) throw new Error('the record has a debt');
  return [
    succeededAlert(about, ended, NOW),
    rolledBackAlert(about, ended, NOW),
    failedAlert(about, ended, NOW),
    notBegunAlert(about, ended, fault, NOW),
    owedAlert(about, debt, ID, NOW),
  ];
}

function record(secretId: string): SecretRecord {
  return {
    secretId,
    environment: 'production',
    type: 'postgresql',
    declaration: declaration({ name: secretId }),
    status: 'active',
    dueAt: NOW,
    lease: undefined,
    rotation: undefined,
    ledger: [
      {
        identity: 'app',
        versionId: 'v1',
        state: 'grace',
        retireAt: new Date('2026-03-01T13:00:00.000Z'),
        owedSince: undefined,
        owedAlertAt: undefined,
      },
    ],
    lastRotatedAt: undefined,
    failures: 1,
    revision: 1,
    auditHead: undefined,
  };
}

function rotation(secretId: string, fault: string): RotationRecord {
  return {
    environment: 'production',
    secretId,
    rotationId: ID,
    reason: 'scheduled',
    requestedBy: 'rule',
    status: 'rolled_back',
    startedAt: new Date('2026-03-01T12:00:00.000Z'),
    endedAt: NOW,
    candidate: 'app_a',
    incumbent: 'app',
    incumbentVersionId: 'v1',
    rollout: undefined,
    phases: [],
    fault: { name: fault, message: 'The target does not answer.' },
    alerted: [],
  };
}
