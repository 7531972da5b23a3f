import { describe, expect, it } from 'vitest';
import {
  failedAlert,
  notBegunAlert,
  owedAlert,
  revertedAlert,
  rolledBackAlert,
  succeededAlert,
} from '../../../../shared/alerts/compose.ts';
import { remedyFor } from '../../../../shared/alerts/remedies.ts';
import * as errors from '../../../../shared/errors.ts';
import type { RotationRecord, SecretRecord } from '../../../../shared/registry/registry.ts';
import * as fc from '../../../harness/properties.ts';
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

  it('names what was taken back on request, which credential is current again and what is still owed', () => {
    const { kind, subject, body, facts } = takenBack('pg');
    expect(kind).toBe('rotation_rolled_back');
    expect(subject).toBe('[rekey] Taken back pg (production): on request');
    expect(body).toContain('The credential "app" is current again.');
    expect(body).toContain('"app_a" is ended after the grace period, when no consumer uses it any more.');
    expect(body).toContain('rekey rotate pg');
    expect(facts).toMatchObject({ rotation_id: ID, version_id: 'v1', replaced_version_id: ID });
  });

  it('tells two requests to take back apart, and from the roll back of the same rotation', () => {
    const ended = rolledBackAlert(record('pg'), rotation('pg', 'TargetUnreachable'), NOW);
    const ids = [takenBack('pg', 'r1'), takenBack('pg', 'r2'), ended].map(({ facts }) => facts.alert_id);
    expect(new Set(ids).size).toBe(3);
    expect(takenBack('pg', 'r1').facts.alert_id).toBe(ids[0]);
  });

  it.each(['ConsumersRefused', 'ConsumersSilent'])('points at the consumers and their settings after %s', (fault) => {
    const { body } = rolledBackAlert(record('pg'), rotation('pg', fault), NOW);
    expect(body).toContain(`Cause: ${fault}: `);
    expect(body).toMatch(/What to do: see (why|whether) the consumers that the cause names/);
  });

  it('has a remedy for every fault that a target, a table, a consumer or a person causes', () => {
    const named = Object.values(errors).flatMap((error) => ('errorName' in error ? [error.errorName] : []));
    const unexplained = named.filter((name) => remedyFor(name).includes("functions' logs"));
    expect(unexplained.sort()).toEqual([
      // Not a fault: its end is waited for.
      'EndsByItself',
      // Of a retirement that is tried again, which people hear of through the owed alert alone.
      'HeldTooLong',
      // A defect: only the log knows more.
      'InternalFault',
      // Not faults: the run ends without effects, or waits.
      'LeaseHeld',
      'RotationEnded',
      // Not a fault: the entry becomes that of the version that goes on.
      'SameAsSurvivor',
      // As HeldTooLong.
      'StillAlive',
      // As LeaseHeld.
      'StillHeld',
    ]);
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
    owedAlert(about, debt, { rotationId: ID, fault }, NOW),
    owedAlert(about, debt, { rotationId: ID, fault: 'HeldTooLong' }, NOW),
    takenBack(secretId),
  ];
}

function takenBack(secretId: string, requestId = '22222222-2222-4222-8222-222222222222') {
  const about = record(secretId);
  const [previous] = about.ledger;
  if (previous === undefined) throw new Error('the record has a credential in grace');
  const current = { ...previous, identity: 'app_a', versionId: ID, state: 'current', retireAt: undefined } as const;
  return revertedAlert(about, { previous, current, requestId }, NOW);
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
    refusals: 0,
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
