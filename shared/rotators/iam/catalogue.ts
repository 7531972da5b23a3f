import type { CatalogueEntry } from '../catalogue-entry.ts';

export const IAM: CatalogueEntry = {
  type: 'iam',
  rotates:
    'The access keys of one IAM user: a second key is made beside the first, which is disabled, proved dead and deleted after the switch.',
  kind: 'issued',
  value: '{ "AccessKeyId": "AKIA…", "SecretAccessKey": "…", … }',
  needs: [
    "provider.user: the name of the user, behind its path where it has one (division/app). Rekey's functions are granted exactly its keys: iam:GetUser, ListAccessKeys, GetAccessKeyLastUsed, CreateAccessKey, UpdateAccessKey, DeleteAccessKey.",
    'At most one access key when a rotation begins: AWS allows two, and does not raise that. A second key that Rekey did not make stops the rotation, which says when it was last used and by which service.',
    'For a user of another account: admin_secret with an access key there that has these permissions.',
  ],
  overlap: 'Both keys work until retirement.',
  proofOfDeath:
    'The key is disabled, sts:GetCallerIdentity refuses it five times in a row over 12 s, then it is deleted and refused again.',
  limits: [
    'accessKeyId with secretAccessKey, and aws_access_key_id with aws_secret_access_key, are read as well; the spelling and every other key stay. A secret without a value gets AccessKeyId, SecretAccessKey and UserName.',
    'IAM is eventually consistent: a new key is known to one host of AWS before the other, for 5 to 15 s as people report. Five health checks in a row are asked for by default (preheat.health_checks), 3 s apart: they span 12 s of the 30 s of preheat.timeout. Fewer checks, or a timeout under 30 s, span less.',
    'For the same reason ending a key takes 12 s, and up to 27 s when it was made a moment ago: that AWS does not know it, or refuses it, counts only once every host would know it. Where that does not fit into a function, it is tried again.',
    'A key has all the policies of its user: permissions and scope narrow nothing.',
    'A replaced key is deleted, also the one that was made by hand: its place is needed for the next.',
    "Between rotations the user's second place must stay free: while the key before is in its grace period, the next rotation waits.",
    "The last use in the audit trail is what IAM knows, which may be late; Rekey's own checks count as a use by sts.",
    "Keys have no names, so one whose answer was lost is known by its time: it is deleted when, by IAM's own clock, it was made within the 30 s in which it was asked for (75 s more for each further attempt), IAM knows of no use of it, and there are no more such keys than lost answers. Anything else is left alone and told (OrphanInDoubt). What remains: when IAM did not make the key that Rekey asked for, one that somebody makes by hand within those seconds is taken for it, unless IAM knows of a use by then (it may learn of one late). Do not make keys of this user by hand while a rotation runs; what was deleted stands in the audit trail (removed_leftovers).",
    'A doubtful key that was used after Rekey had looked at it, and before it had disabled it, is turned on again. Where that try is cut off in between, it stays disabled: the alert (OrphanInDoubt) says so, and who knows the key turns it on.',
    'Temporary credentials (with a session token), keys of the root user and what is computed from a key (SES SMTP passwords) are not rotated.',
  ],
  testedAt: 'The emulator of AWS, with the rules of test/fidelity/iam.test.ts. Not at AWS itself.',
  example: `- name: "aws_uploader"
  type: "iam"
  rotation: "90_days"
  grace: 1d
  provider:
    user: "uploader"`,
};
