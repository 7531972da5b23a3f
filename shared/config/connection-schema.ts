import * as z from 'zod';

import { CERTIFICATE_AUTHORITY, oneOf, text, textLike, wholeNumber } from './schema-text.ts';

const HOST = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$|^[0-9A-Fa-f:.]{2,45}$/;
const NODE = /^(?=.{3,260}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]{2,45}\]):(\d{1,5})$/;
const NODES = 'nodes is a list of 1 to 1000 texts such as redis-2.example.com:6379';
const A_NODE = 'a node is host:port, such as redis-2.example.com:6379 or [fd00::2]:6379, the port from 1 to 65535';
const PORTS = { min: 1, max: 65_535 };
const VHOST = 'vhost is the name of a virtual host, at most 255 characters, and neither . nor ..';

const node = z
  .string({ error: A_NODE })
  .refine((written) => isPort(Number(NODE.exec(written)?.[1])), { error: A_NODE });

/** `connection:` of every type that has one; `fieldFindings` says which type has which field. */
export const connectionSchema = z.strictObject(
  {
    host: textLike(HOST, 'host is a host name or an IP address, without port'),
    port: wholeNumber('port', PORTS).optional(),
    dbname: text('dbname is the name of a database, at most 63 characters', 63).optional(),
    owner_role: text('owner_role is the name of a role, at most 63 characters', 63).optional(),
    nodes: z.array(node, { error: NODES }).min(1, { error: NODES }).max(1000, { error: NODES }).optional(),
    users_kept_by: z.literal('provider', { error: 'users_kept_by is provider, or is left out' }).optional(),
    management_port: wholeNumber('management_port', PORTS).optional(),
    // The management API cannot address what a path reads as a step.
    vhost: text(VHOST, 255)
      .refine((name) => name !== '.' && name !== '..', { error: VHOST })
      .optional(),
    tls: oneOf('tls', ['prefer', 'require', 'disable']).default('prefer'),
    certificate_authority: text(CERTIFICATE_AUTHORITY).optional(),
  },
  { error: 'connection is a mapping with host' },
);

function isPort(number: number): boolean {
  return number >= PORTS.min && number <= PORTS.max;
}
