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
  proofOfDeath: 'The key is disabled, sts:GetCallerIdentity refuses it, then it is deleted and refused again.',
  limits: [
    'accessKeyId with secretAccessKey, and aws_access_key_id with aws_secret_access_key, are read as well; the spelling and every other key stay. A secret without a value gets AccessKeyId, SecretAccessKey and UserName.',
    'IAM is eventually consistent: a new key is known to one host of AWS before the other, for some seconds. Five health checks in a row are asked for by default (preheat.health_checks); they are up to a second apart.',
    'A key has all the policies of its user: permissions and scope narrow nothing.',
    'A replaced key is deleted, also the one that was made by hand: its place is needed for the next.',
    "Between rotations the user's second place must stay free: while the key before is in its grace period, the next rotation waits.",
    "The last use in the audit trail is what IAM knows, which may be late; Rekey's own checks count as a use by sts.",
    'A key whose answer was lost is deleted when IAM says that it was made while the attempts ran and never used. Do not make keys of this user by hand while a rotation runs.',
    'Temporary credentials (with a session token), keys of the root user and what is computed from a key (SES SMTP passwords) are not rotated.',
  ],
  example: `- name: "aws_uploader"
  type: "iam"
  rotation: "90_days"
  grace: 1d
  provider:
    user: "uploader"`,
};
