import { Misconfigured } from '../../errors.ts';
import type { Node, Session } from './connect.ts';

/** What `INFO` says of one server; `undefined` where Rekey's user may not ask. */
export interface ServerFacts {
  readonly version: string;
  /** Absent: the server was started without one. */
  readonly configurationFile: string | undefined;
  /** Replicas that follow this server, so that they may take its place. */
  readonly replicas: number;
  readonly isReplica: boolean;
  /** Of a cluster: how many nodes it has. */
  readonly clusterNodes: number | undefined;
}

/** https://redis.io/docs/latest/commands/info/ */
export async function readServer(session: Session): Promise<ServerFacts | undefined> {
  const info = await session.attempt('reading about the server (INFO)', ['INFO']);
  if (!info.allowed) return undefined;
  const fields = fieldsOf(info.reply);
  const isCluster = fields.get('cluster_enabled') === '1';
  const cluster = isCluster ? await session.attempt('reading about the cluster', ['CLUSTER', 'INFO']) : undefined;
  const known = cluster?.allowed === true ? fieldsOf(cluster.reply).get('cluster_known_nodes') : undefined;
  return {
    version: fields.get('redis_version') ?? 'unknown',
    configurationFile: fields.get('config_file') || undefined,
    // A backup that is just being taken shows as a replica without a port of its own.
    replicas: [...fields].filter(([name, value]) => /^slave\d+$/.test(name) && !/port=0(?:,|$)/.test(value)).length,
    isReplica: fields.get('role') === 'slave',
    clusterNodes: known === undefined ? undefined : Number(known),
  };
}

/**
 * Throws `Misconfigured` when there are more servers than are declared. Users are not replicated: a replica that takes
 * over, or a node that keys move to, would go on with the old password and refuse the new one.
 */
export function assertAllDeclared(nodes: readonly Node[], servers: readonly (ServerFacts | undefined)[]): void {
  const found = servers.filter((server) => server !== undefined);
  const replicas = found.reduce((sum, server) => sum + server.replicas, 0);
  const declaredReplicas = found.filter(({ isReplica }) => isReplica).length;
  if (replicas > declaredReplicas) {
    throw new Misconfigured(
      `${replicas} replicas follow the declared servers, and ${declaredReplicas} of them are declared: name every one under nodes of the connection, because each keeps users of its own.`,
    );
  }
  const clusterNodes = Math.max(0, ...found.map((server) => server.clusterNodes ?? 0));
  if (clusterNodes > nodes.length) {
    throw new Misconfigured(
      `The cluster has ${clusterNodes} nodes, and ${nodes.length} are declared: name every one under nodes of the connection, because each keeps users of its own.`,
    );
  }
}

/** `name:value` lines. */
function fieldsOf(reply: unknown): ReadonlyMap<string, string> {
  const lines = typeof reply === 'string' ? reply.split('\r\n') : [];
  return new Map(
    lines.flatMap((line) => {
      const colon = line.indexOf(':');
      return line.startsWith('#') || colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
    }),
  );
}
