import { RequestRefused } from './errors.ts';

/*
 * OpenClaw's exec protocol: docs/gateway/secrets/secretref-contract.md in the package openclaw@2026.9.6. Parsed by hand:
 * a schema library would cost a third of the time that a fresh process has.
 */
export const PROTOCOL_VERSION = 1;
/** OpenClaw's own limits of one batch (src/secrets/resolve.ts). */
export const MAX_REQUEST_BYTES = 256 * 1024;
export const MAX_IDS = 512;
/** OpenClaw's pattern has 256 characters; ours is wider, so that a person may ask for any name. */
const MAX_ID_LENGTH = 2048;

export interface ResolveRequest {
  readonly provider: string;
  readonly ids: readonly string[];
}

/** Why one id has no value. OpenClaw shows the first two by name, and takes the rest for "failed". */
export type ErrorCode =
  | 'NOT_FOUND'
  | 'AMBIGUOUS_DUPLICATE_KEY'
  | 'ACCESS_DENIED'
  | 'BINARY'
  | 'DECRYPTION_FAILED'
  | 'DELETED'
  | 'FAILED'
  | 'INVALID_ID'
  | 'NO_CREDENTIALS'
  | 'NOT_A_STRING'
  | 'NOT_JSON'
  | 'THROTTLED'
  | 'TIMEOUT'
  | 'UNAVAILABLE';

export interface ResolveAnswer {
  readonly protocolVersion: typeof PROTOCOL_VERSION;
  readonly values: Readonly<Record<string, string>>;
  readonly errors: Readonly<Record<string, { readonly code: ErrorCode }>>;
}

/** The request in `bytes`. Keys it does not know are OpenClaw's to add. Throws `RequestRefused`. */
export function parseRequest(bytes: Uint8Array): ResolveRequest {
  if (bytes.byteLength > MAX_REQUEST_BYTES) throw new RequestRefused('The request is larger than 256 KiB.');
  const request = parsed(bytes);
  if (!isRecord(request)) throw new RequestRefused('The request is not a JSON object.');
  const { protocolVersion, provider, ids } = request;
  if (protocolVersion !== PROTOCOL_VERSION) {
    throw new RequestRefused('The request does not have protocolVersion 1, the only one that this version speaks.');
  }
  if (typeof provider !== 'string') throw new RequestRefused('The request names no provider.');
  if (!Array.isArray(ids)) throw new RequestRefused('The request has no list of ids.');
  if (ids.length > MAX_IDS) throw new RequestRefused(`The request asks for more than ${MAX_IDS} ids.`);
  if (!ids.every(isId)) throw new RequestRefused('An id of the request is not a text of 1 to 2048 characters.');
  return { provider, ids: [...new Set(ids)] };
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Without its cause: a parser's message quotes what it reads.
    throw new RequestRefused('The request is not JSON.');
  }
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_ID_LENGTH;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
