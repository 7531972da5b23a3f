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
    'strict_password_validation off where a plugin validates passwords: the server refuses hashes otherwise. Rekey keeps to the rules of simple_password_check itself, and asks for policy where the default does not meet them; not to the dictionary of cracklib_password_check.',
    'A certificate that verifies, or tls: disable. The one that MariaDB 11.4 and newer make for themselves does not.',
    'An address that leads to one server: GET_LOCK keeps two runs apart on one node of Galera only.',
  ],
  overlap:
    'Both users open the server side by side, with the same privileges, roles, default role, requirements and limits, for the same host pattern, until the old one is retired.',
  proofOfDeath: 'A login with the old user and its password is refused.',
  limits: [
    'The first user, made by hand, is followed by <user>_a and <user>_b, which take turns. Each retired one is locked, not dropped: what it defined goes on working. Objects have no owners in MariaDB; their definer does not change.',
    'The server gets hashes, never a password: it writes statements into its logs as they are. Of other ways in (unix_socket, PAM) the candidate gets none.',
    'Whose a user is, the ledger says, and of a retired one its password, replaced by an unusable one that says for which secret and version. A user that the ledger does not know, or that is not closed so, stands in the way and is left alone, locked or not. One that the server let only be locked, because it took no hashes, must be dropped by hand.',
    'An install that comes after its rotation was rolled back is refused, unless no user had ever been in its place, which nothing can tell: what it makes stands in the way of the next rotation until a person drops it.',
    'An account that somebody has made for another host since is left alone at retirement, and so are sessions of clients that it may let in: the server does not say to which account a session belongs.',
    "Where the user has a limit of connections (MAX_USER_CONNECTIONS, max_user_connections, MAX_CONNECTIONS_PER_HOUR), Rekey's own logins count too: leave one or two free. While a pool takes them all, no rotation begins and no candidate is proved; what has begun is still ended. A login of the application may find the limit reached meanwhile.",
    'Names have 128 characters; longer ones are cut and hashed. PROXY rights are copied where the administrator may give them.',
    'read_only: SELECT and SHOW VIEW where the user has them, roles dissolved, no routines. SELECT on *.* becomes SELECT on each database there is, without mysql, sys, performance_schema and information_schema; databases made later are granted by hand. Any other right of the candidate, also one that everybody has (PUBLIC), fails the test.',
    'From read_only back to same: the user in use goes on reading only until a person GRANTs it more; until then every rotation stops in preflight and says so.',
    'Mode single_role is not for this type. Accounts that need a client certificate (REQUIRE X509) cannot be tried. Passwords of at most 256 bytes.',
    'The login password reaches the server as a scramble (mysql_native_password) or a signature (ed25519).',
  ],
  testedAt: 'MariaDB 10.11. Not at RDS.',
  example: `- name: prod/app/mariadb
  type: mariadb
  rotation: 30_days
  admin_secret: prod/admin/mariadb
  connection:
    host: db.example.com
    tls: require`,
};
