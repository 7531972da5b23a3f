import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectEncrypted } from 'node:tls';
import type { Login } from './credential-json.ts';
import { trust } from '../trust.ts';

/*
 * The driver does not pass on why a virtual host is not opened: the broker says it in words, and the driver drops them. So
 * these are the few frames of a login, up to there: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf (2.2.4, 4.2.3).
 */

const PROTOCOL_HEADER = Buffer.from('AMQP\0\0\x09\x01', 'latin1');
const METHOD_FRAME = 1;
const FRAME_END = 0xce;
/** Type, channel, length; then the payload, which begins with class and method. */
const HEAD_BYTES = 7;
/** What a frame may have before anything is negotiated. */
const FRAME_BYTES = 4_096;
const START = methodOf(10, 10);
const START_OK = methodOf(10, 11);
const TUNE = methodOf(10, 30);
const TUNE_OK = methodOf(10, 31);
const OPEN = methodOf(10, 40);
const OPEN_OK = methodOf(10, 41);
const CLOSE = methodOf(10, 50);
const CLOSE_OK = methodOf(10, 51);
const NOTHING = Buffer.alloc(0);

/** What the broker answers to the opening of a virtual host: it is open, or the text that it is closed with. */
export type OpeningReply = { readonly isOpen: true } | { readonly isOpen: false; readonly text: string };

/**
 * Logs in, opens the virtual host, and closes it again. The text is the broker's own and quotes names: to be recognised,
 * never to be shown. Throws what the socket does, and an `Error` without data when the broker says something else.
 */
export async function openingReply(
  login: Login,
  { isEncrypted, milliseconds }: { readonly isEncrypted: boolean; readonly milliseconds: number },
): Promise<OpeningReply> {
  const socket = connectTo(login, isEncrypted);
  const timer = setTimeout(() => socket.destroy(new DOMException('login', 'TimeoutError')), milliseconds);
  try {
    socket.write(PROTOCOL_HEADER);
    for await (const { method, words } of methodsOf(socket)) {
      if (method === START) socket.write(frame(START_OK, startWords(login)));
      else if (method === TUNE) {
        socket.write(Buffer.concat([frame(TUNE_OK, words.subarray(0, 8)), frame(OPEN, openWords(login))]));
      } else if (method === OPEN_OK) socket.write(frame(CLOSE, closeWords()));
      else if (method === CLOSE_OK) return { isOpen: true };
      else if (method === CLOSE) {
        socket.end(frame(CLOSE_OK, NOTHING));
        return { isOpen: false, text: words.subarray(3, 3 + words.readUInt8(2)).toString() };
      } else throw new Error('another answer than AMQP 0-9-1 has');
    }
    throw new Error('closed in the handshake');
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function connectTo({ host, port, certificateAuthority }: Login, isEncrypted: boolean): Socket {
  if (!isEncrypted) return connectPlain({ host, port });
  const name = isIP(host) === 0 ? { servername: host } : {};
  return connectEncrypted({ host, port, ...name, ...trust(certificateAuthority) });
}

interface Method {
  readonly method: number;
  readonly words: Buffer;
}

/** Every method that the broker sends, until it ends the connection. */
async function* methodsOf(socket: Socket): AsyncGenerator<Method> {
  let rest: Buffer = NOTHING;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= HEAD_BYTES) {
      const length = rest.readUInt32BE(3);
      const end = HEAD_BYTES + length;
      if (rest[0] !== METHOD_FRAME || length < 4 || end >= FRAME_BYTES) throw new Error('no frame of AMQP 0-9-1');
      if (rest.length <= end) break;
      if (rest[end] !== FRAME_END) throw new Error('no frame of AMQP 0-9-1');
      yield { method: rest.readUInt32BE(HEAD_BYTES), words: rest.subarray(HEAD_BYTES + 4, end) };
      rest = rest.subarray(end + 1);
    }
  }
}

function startWords({ username, password }: Login): Buffer {
  const noProperties = Buffer.alloc(4);
  return Buffer.concat([
    noProperties,
    shortText('PLAIN'),
    longText(`\0${username}\0${password.reveal()}`),
    shortText('en_US'),
  ]);
}

function openWords({ vhost }: Login): Buffer {
  return Buffer.concat([shortText(vhost), shortText(''), Buffer.alloc(1)]);
}

/** 200, without words; of no method. */
function closeWords(): Buffer {
  return Buffer.concat([Buffer.from([0, 200]), shortText(''), Buffer.alloc(4)]);
}

function frame(method: number, words: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES + 4);
  head.writeUInt8(METHOD_FRAME, 0);
  head.writeUInt32BE(4 + words.length, 3);
  head.writeUInt32BE(method, HEAD_BYTES);
  return Buffer.concat([head, words, Buffer.from([FRAME_END])]);
}

function shortText(text: string): Buffer {
  return Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);
}

function longText(text: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([head, Buffer.from(text)]);
}

function methodOf(classId: number, methodId: number): number {
  return classId * 0x1_00_00 + methodId;
}
