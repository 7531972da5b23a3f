import type { CatalogueEntry } from '../catalogue-entry.ts';

/** https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/ */
export const REDIS: CatalogueEntry = {
  type: 'redis',
  rotates:
    'The password of a Redis or Valkey user (ACL): the new one is added beside the old one, which is taken away after the grace period.',
  kind: 'chosen',
  value:
    '{"engine": "redis", "host": "…", "port": 6379, "username": "…", "password": "…", "ssl": true}; without username the user is default, without host and port the declared connection says where.',
  needs: [
    'Redis 6.0 or newer, or Valkey, whose users can be changed by ACL SETUSER.',
    'The user exists, is on, has a password and no nopass.',
    'An administrator (admin_secret) who may run ACL GETUSER and ACL SETUSER; without one the user itself must be allowed to.',
    'For saving: ACL SAVE where the server has an ACL file, else CONFIG REWRITE and ACL LIST; or, where whoever runs the server keeps its users over a restart, users_kept_by: provider in the connection. For preflight, where allowed: INFO, CLUSTER INFO, CONFIG GET, CLIENT LIST, CLIENT ID, ACL DRYRUN. For ending connections: CLIENT LIST, CLIENT ID, CLIENT KILL.',
    'Every server with users of its own is named under connection.nodes: replicas, every node of a cluster. Redis does not replicate users.',
    'Replicas and Sentinels log in as another user: their configuration cannot follow a rotation.',
  ],
  overlap:
    'Both passwords open every server side by side until the old one is retired. Commands, keys, channels and selectors of the user do not change.',
  proofOfDeath: 'A login with the old password is refused by every server.',
  limits: [
    'Only SHA-256 hashes are sent to change a user; a login sends the password itself, so use TLS. tls: prefer looks whether the server answers without TLS, and then has none: require keeps a man in the middle from saying so.',
    'A server with an ACL file must be able to write it (ACL SAVE). Without one CONFIG REWRITE is tried, which also writes whatever else was changed at run time. Where neither works the rotation stops: a restart would bring the old password back and lose the new one. With users_kept_by: provider it goes on, and the notice of its success says "not persisted".',
    'Redis does not say with which password a connection was opened. With end_sessions those are ended that were opened before any living password was made; connections opened during the overlap are left and counted, and are ended at the next retirement. CLIENT KILL USER by hand ends all of a user.',
    'A connection that was opened before the rotation and has logged in anew with the new password (AUTH again) is ended once too.',
    'Passwords that Rekey did not set stay; their older connections end with the others of the user.',
    'Managed services whose users are changed by an API of their own (Amazon ElastiCache and MemoryDB, Redis Cloud, Azure, Memorystore) do not offer ACL SETUSER.',
    'Consumers that find their server by Sentinel: host and nodes name the servers themselves, not the Sentinels.',
  ],
  testedAt: 'Redis 7.0, one and two nodes. Not at Valkey.',
  example: `- name: prod/app/redis
  type: redis
  rotation: 30_days
  admin_secret: prod/admin/redis
  connection:
    host: redis-1.example.com
    nodes: [redis-2.example.com:6379]
    tls: require`,
};
