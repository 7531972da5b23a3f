import type { CatalogueEntry } from '../catalogue-entry.ts';

/** https://mariadb.com/kb/en/account-management-sql-commands/ */
export const MARIADB: CatalogueEntry = {
  type: 'mariadb',
  rotates:
    'The login of an application at MariaDB: two users take turns. The new one gets all that the old one has; the old one is locked after the grace period.',
  kind: 'chosen',
  value:
    '{"engine": "mariadb", "host": "…", "port": 3306, "username": "…", "password": "…", "dbname": "…", "ssl": true, "masterarn": "…"}; port, dbname, ssl and masterarn may be missing, without host the declared connection says where.',
  needs: [
    'MariaDB 10.4 or newer.',
    'The user has one account (one host pattern) and logs in with mysql_native_password or ed25519.',
    'An administrator (admin_secret, or masterarn in the value) with CREATE USER, SELECT on mysql.*, and all that the user has, WITH GRANT OPTION (of roles: WITH ADMIN OPTION). For default roles UPDATE on mysql.*. PROCESS and CONNECTION ADMIN (on RDS: EXECUTE on mysql.rds_kill) for ending sessions.',
    'strict_password_validation off where a plugin validates passwords: the server refuses hashes otherwise.',
    'A certificate that verifies, or tls: disable. The one that MariaDB 11.4 and newer make for themselves does not.',
    'An address that leads to one server: GET_LOCK keeps two runs apart on one node of Galera only.',
  ],
  overlap:
    'Both users open the server side by side, with the same privileges, roles, default role, requirements and limits, for the same host pattern, until the old one is retired.',
  proofOfDeath: 'A login with the old user and its password is refused.',
  limits: [
    'The first user, made by hand, is followed by <user>_a and <user>_b, which take turns. It is locked, not dropped, and its password made unusable: what it defined goes on working. Objects have no owners in MariaDB; their definer does not change.',
    'The server gets hashes, never a password: it writes statements into its logs as they are. Of other ways in (unix_socket, PAM) the candidate gets none.',
    'Whose a user is, the ledger says: MariaDB has no place for a mark. A user that the ledger does not know stands in the way and is left alone.',
    'Names have 128 characters; longer ones are cut and hashed. PROXY rights are copied where the administrator may give them.',
    'read_only: SELECT and SHOW VIEW where the user has them, roles dissolved, no routines. SELECT on *.* becomes SELECT on each database there is, without mysql, sys, performance_schema and information_schema; databases made later are granted by hand.',
    'Mode single_role is not for this type. Accounts that need a client certificate (REQUIRE X509) cannot be tried. Passwords of at most 256 bytes.',
    'The login password reaches the server as a scramble (mysql_native_password) or a signature (ed25519).',
  ],
  example: `- name: prod/app/mariadb
  type: mariadb
  rotation: 30_days
  admin_secret: prod/admin/mariadb
  connection:
    host: db.example.com
    tls: require`,
};
