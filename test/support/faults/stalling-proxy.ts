// A TCP proxy in front of Postgres that stops reading from the server after a number of bytes, like a stopped process.
// The connection stays open, and the server waits once the buffers in between are full.
import net from 'node:net';

export type StallingProxy = {
  url: string;
  /** From the next connection on: how many bytes from the server still pass, over all connections. */
  stallAfter(bytes: number): void;
  stalled(): boolean;
  /** Waiting bytes go on, and nothing stalls any more. */
  resume(): void;
  /** The client ports of its connections to the server, as the server sees them. */
  ports(): number[];
  /** Bytes from the server that have passed. */
  passed(): number;
  close(): Promise<void>;
};

export async function startStallingProxy(databaseUrl: string): Promise<StallingProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<net.Socket>();
  const upstreams = new Set<net.Socket>();
  const waiting = new Set<net.Socket>();
  let left = Number.POSITIVE_INFINITY;
  let passed = 0;
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(target.port || 5432), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
        sockets.delete(socket);
        waiting.delete(socket);
      });
    }
    upstreams.add(upstream);
    upstream.on('close', () => upstreams.delete(upstream));
    client.on('data', (chunk) => void upstream.write(chunk));
    upstream.on('data', (chunk) => {
      passed += chunk.length;
      left -= chunk.length;
      client.write(chunk);
      if (left > 0) return;
      upstream.pause();
      waiting.add(upstream);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as net.AddressInfo).port);
  return {
    url: url.href,
    stallAfter: (bytes) => void (left = bytes),
    stalled: () => waiting.size > 0,
    resume() {
      left = Number.POSITIVE_INFINITY;
      for (const socket of waiting) socket.resume();
      waiting.clear();
    },
    ports: () => [...upstreams].map((socket) => socket.localPort ?? 0),
    passed: () => passed,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
