import { Misconfigured } from '../../errors.ts';
import type { ConnectionSettings } from '../rotator.ts';
import { type Node, placeOf } from './connect.ts';

/** `host:port`, an IPv6 address in brackets. */
const NODE = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/;

/** Every server that has users of its own: where the credential logs in, then the declared `nodes`, each once. */
export function nodesOf(first: Node, connection: ConnectionSettings | undefined): readonly Node[] {
  const { tls, certificateAuthority } = first;
  const further = (connection?.nodes ?? []).map((written) => {
    const [, address, name, port] = NODE.exec(written) ?? [];
    const host = address ?? name;
    if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
      throw new Misconfigured('A node of the connection is not of the form host:port.');
    }
    const authority = certificateAuthority === undefined ? {} : { certificateAuthority };
    return { host, port: Number(port), tls, ...authority };
  });
  const byPlace = new Map<string, Node>();
  for (const node of [first, ...further]) {
    const place = samePlace(node);
    if (!byPlace.has(place)) byPlace.set(place, node);
  }
  return [...byPlace.values()];
}

/** Text that is the same for the same server. */
export function samePlace(node: Node): string {
  return placeOf(node).toLowerCase();
}

/** A cluster may have a thousand nodes, a Lambda function a thousand open files. */
const AT_ONCE = 20;
const NAMED = 5;

/**
 * `work` on all of them, some side by side. After a fault no further one is begun, and it goes on once those that were
 * have ended, so that none is left in the middle.
 */
export async function onEvery<Result>(
  nodes: readonly Node[],
  work: (node: Node) => Promise<Result>,
): Promise<readonly Result[]> {
  const results = new Map<Node, Result>();
  const waiting = [...nodes];
  const lane = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      try {
        results.set(node, await work(node));
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.min(AT_ONCE, nodes.length) }, lane);
  await Promise.allSettled(lanes);
  await Promise.all(lanes);
  return nodes.map((node) => results.get(node) as Result);
}

/** What was found on each node as one text, with the nodes where they are not all alike. */
export function together(nodes: readonly Node[], found: readonly string[]): string {
  const byFinding = new Map<string, Node[]>();
  for (const [index, node] of nodes.entries()) {
    const finding = found[index] ?? '';
    byFinding.set(finding, [...(byFinding.get(finding) ?? []), node]);
  }
  if (byFinding.size === 1) return found[0] ?? '';
  return [...byFinding].map(([finding, where]) => `${placesOf(where)}: ${finding}`).join('; ');
}

/** Some nodes by name, for error texts and facts. */
export function placesOf(nodes: readonly Node[]): string {
  const named = nodes.slice(0, NAMED).map(placeOf).join(', ');
  return nodes.length > NAMED ? `${named} and ${nodes.length - NAMED} more` : named;
}
