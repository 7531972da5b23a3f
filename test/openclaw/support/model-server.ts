import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A model on loopback that answers every question with one word, and remembers who asked with which key. */
export class ModelServer {
  readonly keys: string[] = [];
  /** What it answers 401 to. */
  readonly revoked = new Set<string>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const key = (request.headers.authorization ?? '').replace('Bearer ', '');
    this.keys.push(key);
    if (this.revoked.has(key)) {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end('{"error":{"message":"invalid key","type":"invalid_request_error","code":"invalid_api_key"}}');
      return;
    }
    const message = { role: 'assistant', content: 'hello' };
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    if (!body.includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ ...about('chat.completion'), choices: [{ index: 0, message, finish_reason: 'stop' }], usage }),
      );
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const choice of [{ delta: message }, { delta: {}, finish_reason: 'stop' }]) {
      const chunk = { ...about('chat.completion.chunk'), choices: [{ index: 0, ...choice }], usage };
      response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    }
    response.end('data: [DONE]\n\n');
  }
}

function about(object: string) {
  return { id: 'answer', object, created: 1, model: 'model' };
}
