// A TCP proxy in front of Postgres that cuts one connection at its COMMIT: before the server has seen it, or once the
// server has committed but before the reply is passed on.
import net from 'node:net';

export type Cut =
  /** The server never sees the COMMIT: it rolls back. */
  | 'before'
  /** The server commits; the reply is lost. */
  | 'after'
  /** The client is cut off at once, the COMMIT reaches the server `delayMs` later. */
  | 'late';

export type CutProxy = {
  url: string;
  /** Cuts the next `times` connections that send COMMIT. */
  arm(cut: Cut, times?: number): void;
  /** How many were cut so far. */
  cuts(): number;
  /** COMMITs that passed unharmed. */
  commits(): number;
  close(): Promise<void>;
};

export async function startCutProxy(databaseUrl: string, delayMs = 500): Promise<CutProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<net.Socket>();
  let armed: { cut: Cut; left: number } | null = null;
  let cuts = 0;
  let commits = 0;

  const server = net.createServer((client) => {
    const upstream = net.connect(Number(target.port || 5432), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('close', () => sockets.delete(socket));
      // What was cut off ends in ECONNRESET on both sides.
      socket.on('error', () => undefined);
    }
    let cut: Cut | null = null;
    let pending = Buffer.alloc(0);
    let started = false;
    upstream.on('data', (chunk) => {
      if (cut === null) client.write(chunk);
      // The first word after the COMMIT: it has happened.
      else hangUp();
    });
    client.on('data', (chunk) => {
      if (cut !== null) return;
      pending = Buffer.concat([pending, chunk]);
      for (;;) {
        // The first message has no type byte.
        const header = started ? 1 : 0;
        if (pending.length < header + 4) return;
        const length = header + pending.readInt32BE(header);
        if (pending.length < length) return;
        const message = pending.subarray(0, length);
        pending = pending.subarray(length);
        const isCommit = started && message[0] === 0x51 && /^commit\0$/i.test(message.toString('utf8', 5));
        started = true;
        if (isCommit && armed !== null) {
          cut = armed.cut;
          cuts++;
          armed = armed.left > 1 ? { cut, left: armed.left - 1 } : null;
          if (cut === 'before') {
            hangUp();
          } else if (cut === 'after') {
            upstream.write(message);
          } else {
            client.destroy();
            setTimeout(() => upstream.write(message), delayMs);
          }
          return;
        }
        if (isCommit) commits++;
        upstream.write(message);
      }
    });
    const hangUp = () => {
      client.destroy();
      upstream.destroy();
    };
    client.on('close', () => {
      if (cut === null) upstream.destroy();
    });
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    url: url.href,
    arm(cut, times = 1) {
      armed = { cut, left: times };
    },
    cuts: () => cuts,
    commits: () => commits,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
