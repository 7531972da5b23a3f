/**
 * What may be kept of an error of Node's own as a cause: its name and its code. Those of its parsers hold what was received
 * (`rawPacket`, `data`), where a credential may be, and messages may quote it.
 */
export function bareError(error: unknown): Error {
  const { name, code } = Object(error) as { readonly name?: unknown; readonly code?: unknown };
  const bare = new Error(typeof code === 'string' ? code : 'connection ended');
  if (typeof name === 'string') bare.name = name;
  return typeof code === 'string' ? Object.assign(bare, { code }) : bare;
}
