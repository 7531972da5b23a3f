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
    const place = placeOf(node).toLowerCase();
    if (!byPlace.has(place)) byPlace.set(place, node);
  }
  return [...byPlace.values()];
}

/** `work` on all of them side by side. A fault goes on once all have ended, so that none is left in the middle. */
export async function onEvery<Result>(
  nodes: readonly Node[],
  work: (node: Node) => Promise<Result>,
): Promise<readonly Result[]> {
  const all = nodes.map(work);
  await Promise.allSettled(all);
  return Promise.all(all);
}

/** What was found on each node as one text: said once where all are alike. */
export function together(nodes: readonly Node[], found: readonly string[]): string {
  if (new Set(found).size <= 1) return found[0] ?? '';
  return nodes.map((node, index) => `${placeOf(node)}: ${found[index]}`).join('; ');
}
