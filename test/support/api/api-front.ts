// A server in front of the simulated API. It passes every request on, unless the test answers it, and it can set its
// clock wrong.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export type Front = {
  url: string;
  requests(): string[];
  /** If it returns a status and a body, they are the answer instead of the API's. */
  answer: (path: string) => { status: number; body: unknown } | null;
  /** Added to the `Date` of every answer. */
  clockMs: number;
};

export async function startFront(t: TestContext, target: string): Promise<Front> {
  const seen: string[] = [];
  const front: Front = { url: '', requests: () => seen, answer: () => null, clockMs: 0 };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    seen.push(path);
    response.setHeader('date', new Date(Date.now() + front.clockMs).toUTCString());
    const own = front.answer(path);
    const answered =
      own === null
        ? handOn(target, request)
        : Promise.resolve({ status: own.status, text: JSON.stringify(own.body), headers: new Headers() });
    void answered.then(({ status, text, headers }) => {
      for (const name of ['ratelimit', 'ratelimit-policy', 'retry-after']) {
        const value = headers.get(name);
        if (value !== null) response.setHeader(name, value);
      }
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  front.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/client/v4`;
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return front;
}

async function handOn(target: string, request: IncomingMessage) {
  const headers = new Headers();
  for (const name of ['authorization', 'x-auth-email', 'x-auth-key']) {
    const value = request.headers[name];
    if (typeof value === 'string') headers.set(name, value);
  }
  const response = await fetch(new URL(request.url ?? '/', target), { headers });
  return { status: response.status, text: await response.text(), headers: response.headers };
}
