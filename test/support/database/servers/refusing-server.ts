// Answers each message of a client with the next prepared answer, and then with nothing. Answers are errors of a pooler
// or a provider, or the request for a password.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

export type RefusingServer = {
  /** Without a password. */
  url: string;
  /** Resolves when the client has closed its connection. */
  closedByClient: Promise<unknown>;
  close(): void;
};

export function errorMessage(fields: { severity: string; code: string; message: string }): Buffer {
  const parts = `S${fields.severity}\0V${fields.severity}\0C${fields.code}\0M${fields.message}\0\0`;
  return frame('E', Buffer.from(parts));
}

/** The login by SCRAM up to the point where the client needs its password. */
export const ASKS_FOR_PASSWORD = [
  frame('R', Buffer.from('\0\0\0\x0aSCRAM-SHA-256\0\0')),
  frame('R', Buffer.from('\0\0\0\x0br=nonce,s=c2FsdA==,i=4096')),
];

export async function startRefusingServer(...answers: Buffer[]): Promise<RefusingServer> {
  const sockets = new Set<Socket>();
  const closed = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => closed.resolve());
    const left = [...answers];
    socket.on('data', () => {
      const next = left.shift();
      if (next) socket.write(next);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `postgres://somebody@127.0.0.1:${(server.address() as AddressInfo).port}/risk`,
    closedByClient: closed.promise,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function frame(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
