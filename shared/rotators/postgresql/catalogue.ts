import type { CatalogueEntry } from '../catalogue-entry.ts';

export const POSTGRESQL: CatalogueEntry = {
  type: 'postgresql',
  rotates:
    'Rotates PostgreSQL logins: two login roles take turns in front of one owner role, or, with mode single_role, one role changes its password.',
  kind: 'chosen',
  value:
    '{"engine":"postgres","host":"…","port":5432,"dbname":"…","username":"…","password":"…"}, and every other key that was there',
  needs: [
    'PostgreSQL 12 or later, with SCRAM-SHA-256.',
    'two_roles: a minor release of 21 November 2024 or later (17.2, 16.6, 15.10, 14.15, 13.18, 12.22). Before, DISCARD ALL, which pools send between two clients, takes the owner role from a session: the test fails.',
    'two_roles: admin_secret of another login that is superuser or has CREATEROLE and, from PostgreSQL 16 on, ADMIN OPTION on the owner role and the current login.',
    'two_roles: the current login is a member of the owner role, acts as it (ALTER ROLE … SET role), or becomes the owner role itself when it is taken over.',
    'single_role: nothing but the login itself; an administrator where it may not change its own password.',
    'privileges read_only: mode two_roles; what the owner role reads must be its own, or granted to it WITH GRANT OPTION, or the administrator must be superuser.',
    'To end sessions at retirement: ADMIN OPTION on the role, superuser, or pg_signal_backend.',
  ],
  overlap:
    'two_roles: both roles log in side by side until retirement. single_role: new logins with the old password are refused from the change until a consumer has the new one; open sessions go on.',
  proofOfDeath: 'NOLOGIN and no password for the role, its sessions ended, and a login with the old value refused.',
  limits: [
    'The server gets a SCRAM-SHA-256 verifier, never the password: a password check of the server that wants to read it refuses every rotation.',
    'A login with a CONNECTION LIMIT needs places free for Rekey (and its database, where that has one): one on the current login when a rotation begins, as many as health_checks on the new one, which has the same limit. A pool as large as the limit keeps rotations from beginning; while Rekey looks, a login of the application may meet the full limit. Retirement needs no place: the server looks at the limit after the password.',
    'two_roles: VALID UNTIL of a login is not carried over: a rotated password ends at its rotation. The notice of the rotation that drops it says so. single_role keeps it: after that time the role takes no password.',
    'A login that was made by hand is closed at retirement, not dropped: it may own objects.',
    'Parity covers rights and settings of roles in the one database of the secret, and what a login may do as itself: CREATEDB, CREATEROLE, BYPASSRLS and REPLICATION of a login beside its owner role are given to the candidate, where the administrator may.',
    'An owner_role that the current login does not act as: the candidate does, and the test fails where it could do less than the login: rights, policies of row security, schemas that names are looked for in, accounts at foreign servers. ALTER ROLE … SET role = owner_role for the login makes them one. What asks for current_user inside views and functions is not seen.',
    'What asks for session_user sees another name after each rotation.',
    'A password, and the alphabet of a policy, must not have characters that clients prepare differently for SCRAM (RFC 4013: ligatures, soft hyphens, unusual blanks, combining marks).',
    'read_only: sessions act as role <owner>_ro, which Rekey makes, grants and never drops. It has SELECT on what the owner role can read when a rotation runs, and by default on what that role makes later; what other roles make and share with the owner role follows at the next rotation.',
    'read_only: a login that was made by hand is closed at its retirement as well: who else writes needs a login of their own.',
    'read_only: no EXECUTE is granted: a view that calls a function which is closed to PUBLIC fails. Where row security is on, a policy must name <owner>_ro; where foreign tables are read, it needs a user mapping.',
    'read_only: what PUBLIC may, the candidate may: temporary tables, large objects of its own, functions with SECURITY DEFINER. Where PUBLIC may write to tables or create in a schema, the test fails and says which.',
    'privileges can be changed from same to read_only and back: the next rotation brings it in.',
  ],
  testedAt: 'PostgreSQL 18. Not at RDS or Aurora.',
  example: `- name: "pg_prod_main"
  type: "postgresql"
  rotation: "30_days"
  admin_secret: "pg_prod_admin" # {"username":"…","password":"…","host":"…"}
  connection:
    host: "db.internal.example"
    port: 5432
    dbname: "shop"
    owner_role: "shop_app"
    tls: "require"
  mode: "two_roles"
  privileges: "same" # or read_only`,
};
