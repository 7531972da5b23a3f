import {
  AdminRefused,
  CandidateUnproven,
  ConsumersRefused,
  ConsumersSilent,
  CurrentVersionMoved,
  IncumbentRefused,
  Misconfigured,
  OrphanInDoubt,
  RateLimited,
  RecordUnreadable,
  RefusedByPolicy,
  RetirementPending,
  SlotOccupied,
  TargetUnreachable,
  Throttled,
  TransientFailure,
} from '../errors.ts';

const REMEDIES: Readonly<Record<string, string>> = {
  [TransientFailure.errorName]: 'nothing, unless it keeps coming back: it was a passing fault.',
  [Throttled.errorName]: 'nothing, unless it keeps coming back: AWS or the target asked to slow down.',
  [RateLimited.errorName]:
    'nothing, unless it keeps coming back: the provider said when it answers again, and is not asked before. See what else uses its quota then.',
  [Misconfigured.errorName]: 'correct what the cause names, in secrets.yaml or in the secret itself.',
  [RecordUnreadable.errorName]:
    'deploy the version of Rekey that wrote the entry, or restore it in the registry; the runbook has how ("Dispatch failed").',
  [TargetUnreachable.errorName]:
    'see that the target is up and that the functions can reach it (VPC, security groups, host name, TLS certificate).',
  [AdminRefused.errorName]: "put the administrator's right credential into its secret.",
  [IncumbentRefused.errorName]:
    'the current value did not work before Rekey changed anything: set the right one in Secrets Manager.',
  [RefusedByPolicy.errorName]:
    "compare the target's own policy for names and passwords with `policy` of the secret, and see the administrator's privileges. Rekey proposes three values in all, then waits for the schedule.",
  [OrphanInDoubt.errorName]:
    'look at the credential that the cause names: if nobody knows it, remove it at the provider; Rekey cannot tell that it made it. Then say so: rekey settle.',
  [SlotOccupied.errorName]:
    'find out who uses what the cause names; Rekey did not make it, so it does not touch it. Rename or remove it.',
  [RetirementPending.errorName]:
    'nothing: the credential before is still in its grace period. Shorten `grace` if rotations come this close.',
  [CandidateUnproven.errorName]: 'see what differs; grants made by hand to one login role belong to the owner role.',
  [ConsumersRefused.errorName]:
    'see why the consumers that the cause names could not use the new value: what they can reach, what they expect of it.',
  [ConsumersSilent.errorName]:
    'see whether the consumers that the cause names still run; allow more silence (`apply.tolerance`) or time (`apply.timeout`) if they do.',
  [CurrentVersionMoved.errorName]: 'find out who moved AWSCURRENT; from now on let Rekey do it.',
};

/** What a person can do about an error of this name. */
export function remedyFor(errorName: string): string {
  return REMEDIES[errorName] ?? "see the functions' logs for this rotation.";
}
