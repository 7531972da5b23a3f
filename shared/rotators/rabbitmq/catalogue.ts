import type { CatalogueEntry } from '../catalogue-entry.ts';

export const RABBITMQ: CatalogueEntry = {
  type: 'rabbitmq',
  rotates:
    'Users of RabbitMQ’s own database: two that take turns, made and changed by the management API with a salted SHA-512 hash; the broker never gets a new password from Rekey but in a login.',
  kind: 'chosen',
  value:
    '{"engine":"rabbitmq","host":"…","port":5672,"username":"…","password":"…","vhost":"/","ssl":true}; port, vhost and ssl may be left out, further keys are carried over',
  needs: [
    'RabbitMQ 3.10.7 or later with the plugin rabbitmq_management.',
    'admin_secret: the JSON of a user with the tag administrator, who is neither of the two; its own host and management_port where no connection is declared.',
    'A user made by hand with the tags, permissions and limits that the application needs, and its JSON as the first value: every candidate gets the same.',
    'Users `NAME_a` and `NAME_b` that nobody else uses, where NAME is the first user’s.',
    'TLS on both ports; without it, outside the own machine, tls: disable (RabbitMQ takes passwords in plain).',
    'Amazon MQ: port 5671, management_port 443, and tls: require.',
  ],
  overlap: 'Incumbent and candidate are two users with equal rights: both log in until the incumbent is retired.',
  proofOfDeath:
    'The password is replaced by a hash that no text has, tags are taken away, the user is allowed no connection, its connections of every protocol are ended; then an AMQP login with the old value must be refused (403 ACCESS_REFUSED).',
  limits: [
    'A retired user is not deleted and keeps its permissions, with max-connections 0; the first one, made by hand, too.',
    'The broker’s own password policy (credential_validator) does not see passwords that come as a hash; policy: in secrets.yaml is what decides.',
    'The management API has no conditional writes: two rotations of one secret at the same moment are told apart by reading again, not prevented; Rekey’s lease prevents them.',
    'Exclusive queues, and reply-to queues, belong to a connection: consumers that use them reconnect with the candidate and make them anew.',
    'Messages whose user-id property names the user are refused once the application publishes as the other one.',
    'Permissions that a person gives to one of the two during a rotation are found by the comparison and stop it.',
    'Users of LDAP, OAuth 2, HTTP and client certificates are not rotated; nor is a user or a virtual host named `.` or `..`, which the management API cannot address.',
    'The broker lists some connections for ever that closed right after they opened. One that has not ended after 15 s and is not in the broker’s statistics is taken for such an entry, and the facts of the retirement say so. Where statistics are off (management.disable_stats) the retirement stays owed until the broker restarts; samples must not be further apart than 6 s (sample_retention_policies, 5 s by default).',
    'A user that has as many connections open as its max-connections allows is taken for working: the candidate may open as many again. A limit of the virtual host stops the rotation while it is reached.',
    'The broker tells neither why it refuses a login nor when a user has logged in last.',
  ],
  testedAt: 'RabbitMQ 3.10. Not at Amazon MQ.',
  example: `- name: prod/orders/rabbitmq
  type: rabbitmq
  rotation: 30_days
  admin_secret: prod/rabbitmq/admin
  connection:
    host: rabbitmq.internal.example.com
    port: 5671
    management_port: 15671
    vhost: orders
    tls: require
`,
};
