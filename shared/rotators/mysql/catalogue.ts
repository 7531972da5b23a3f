import type { CatalogueEntry } from '../catalogue-entry.ts';

/** https://dev.mysql.com/doc/refman/8.4/en/password-management.html#dual-passwords */
export const MYSQL: CatalogueEntry = {
  type: 'mysql',
  rotates:
    'The password of a MySQL user: the new one is set beside the old one (dual passwords), which is discarded after the grace period. On servers before 8.0.21, and with privileges: read_only, two users take turns.',
  kind: 'chosen',
  value:
    '{"engine": "mysql", "host": "…", "port": 3306, "username": "…", "password": "…", "dbname": "…", "ssl": true, "masterarn": "…"}; port, dbname, ssl and masterarn may be missing, without host the declared connection says where.',
  needs: [
    'MySQL 8.0.21 or newer for two passwords on one user (by their versions Aurora MySQL 3, RDS and Percona Server too: not tested); older ones get two users.',
    'The user has one account (one host pattern) and logs in with caching_sha2_password, sha256_password or mysql_native_password.',
    'An administrator (admin_secret, or masterarn in the value) with CREATE USER, and SELECT on mysql.user; SYSTEM_USER too where the user has it. PROCESS and CONNECTION_ADMIN (on RDS: EXECUTE on mysql.rds_kill) for ending sessions.',
    'Without an administrator the user itself needs CREATE USER, APPLICATION_PASSWORD_ADMIN and SELECT on mysql.user: dual passwords only.',
    'For two users: SELECT on mysql.*, and all that the user has, WITH GRANT OPTION (of roles: WITH ADMIN OPTION).',
    'A certificate that verifies, or tls: disable. The one that MySQL makes for itself names no host and never does.',
    'An address that leads to one server that writes: GET_LOCK keeps two runs apart on one server only, and pxc_strict_mode forbids it.',
  ],
  overlap:
    'Old and new password open the same user until the old one is retired. Privileges, roles, limits and what the user defined do not change. With two users the candidate gets the same privileges, roles, default roles, requirements and limits.',
  proofOfDeath:
    'A login with the old password is refused. Where one failed login would block the account (FAILED_LOGIN_ATTEMPTS 1) none is tried: the password is then seen to be gone from the account.',
  limits: [
    "The server gets salted hashes, never a password; logs hold hashes only. It cannot validate what it cannot see: Rekey keeps to validate_password's length and character counts itself (not to its dictionary), and asks for policy where the default does not meet them. A value that by chance lacks a count is not set; the next rotation proposes another.",
    'On the user Rekey writes one key of ATTRIBUTE ("rekey"): which version is which. COMMENT and other keys stay.',
    'The server does not say with which password a session was opened. With end_sessions those are ended that were open when the new password was set; later ones are left, and none is ended on a roll back or after a restart of the server in between.',
    'A consumer that goes on trying a retired password can block the account for all where FAILED_LOGIN_ATTEMPTS is set.',
    "Where the user has a limit of connections (MAX_USER_CONNECTIONS, max_user_connections, MAX_CONNECTIONS_PER_HOUR), Rekey's own logins count too: leave one or two free (without an administrator three). While a pool takes them all, no rotation begins and no candidate is proved; what has begun is still ended by an administrator. A login of the application may find the limit reached meanwhile.",
    'A second password that somebody else retained on the user stands in the way until it is discarded.',
    'Two passwords: an install that comes after its rotation was rolled back is refused, unless that rotation had set nothing yet: then the next rotation takes the password off.',
    'Two users: the retired user is locked, not dropped, and its password replaced by an unusable one that says for which secret and version. Only a user that Rekey has closed so is used again; any other in its place is left alone, locked or not. One that the server let only be locked, because it took no hashes, must be dropped by hand.',
    'Two users: an install that comes after its rotation was rolled back is refused, unless no user had ever been in its place, which nothing can tell: what it makes stands in the way of the next rotation until a person drops it.',
    'Two users: an account that somebody has made for another host since is left alone at retirement, and so are sessions of clients that it may let in: the server does not say to which account a session belongs.',
    'Two users: objects keep their definer. Names have 32 characters; longer ones are cut and hashed. PROXY rights are copied where the administrator may give them.',
    'read_only: SELECT and SHOW VIEW where the user has them, roles dissolved, no routines. SELECT on *.* becomes SELECT on each database there is, without mysql, sys, performance_schema and information_schema; databases made later are granted by hand. The test takes every role there is for the candidate: any right but these, also one that everybody has (mandatory_roles), fails it.',
    'From read_only back to same: the user in use goes on reading only until a person GRANTs it more; until then every rotation stops in preflight and says so.',
    'Mode single_role is not for this type: dual passwords have no window. Accounts that need a client certificate (REQUIRE X509) cannot be tried.',
    "With caching_sha2_password, clients that have neither TLS nor the server's key live on the server's cache, and a password that is set throws the user out of it. Rekey logs in with the one that goes on right after that, and with a new one in its test: in between such a client is refused, and at replicas until somebody logs in there with TLS or the key. Where Rekey itself could only log in so, no rotation of two passwords begins.",
    'Passwords of at most 256 bytes. Without TLS, and not on this machine, a login that needs the password itself is refused unless tls: disable is declared.',
  ],
  testedAt:
    'MySQL 9.7; the branch for servers before 8.0.21 (two users) by its code on the same server. Not at Aurora MySQL, RDS or Percona Server.',
  example: `- name: prod/app/mysql
  type: mysql
  rotation: 30_days
  admin_secret: prod/admin/mysql
  connection:
    host: db.example.com
    tls: require`,
};
