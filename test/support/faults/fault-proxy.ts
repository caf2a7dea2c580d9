// A TCP proxy in front of Postgres that breaks connections on command. It delays, resets, stalls or refuses them, cuts
// them after a number of bytes or at a certain statement, and heals them again.
import net from 'node:net';
import { createMessageReader, textOf, type Message } from './wire-messages.ts';

export type Cut =
  /** The server never receives the statement. */
  | 'before'
  /** The server executes the statement, and the reply is lost. */
  | 'after'
  /** The client is cut off at once, and the statement reaches the server later. */
  | 'late';

export type Direction = 'to server' | 'to client';

export type FaultProxy = {
  url: string;
  /**
   * Cuts the next `times` connections that send a matching statement. COPY's data, which has no reply, is "copy data".
   */
  cutAt(statement: RegExp, cut: Cut, times?: number): void;
  /** Cuts the connection that would carry byte number `bytes` from now on, in this direction. */
  cutAfter(bytes: number, direction: Direction): void;
  /** Ends every open connection with RST. Returns how many. */
  reset(): number;
  /** Nothing passes in either direction, and no connection is closed. */
  stall(): void;
  /** Every piece arrives this many milliseconds later. */
  delay(ms: number): void;
  /** New connections are refused; the open ones stay. */
  refuse(): Promise<void>;
  /** Ends all faults. Stalled connections go on. */
  heal(): Promise<void>;
  /** Connections cut so far by `cutAt` and `cutAfter`. */
  cuts(): number;
  /** How many statements that match `count` passed uncut. */
  passed(): number;
  close(): Promise<void>;
};

/** `lateMs`: how much later a statement that was cut `late` arrives. `count`: which statements to count. */
export async function startFaultProxy(
  databaseUrl: string,
  options: { lateMs?: number; count?: RegExp } = {},
): Promise<FaultProxy> {
  const target = new URL(databaseUrl);
  const pairs = new Set<{ client: net.Socket; upstream: net.Socket }>();
  let armed: { statement: RegExp; cut: Cut; left: number } | null = null;
  let bytesLeft: { direction: Direction; left: number } | null = null;
  let latencyMs = 0;
  let stalled = false;
  let cuts = 0;
  let passed = 0;

  /** How many bytes of a piece may still pass. If fewer than all, the connection ends. */
  function allowance(direction: Direction, length: number): number {
    if (bytesLeft?.direction !== direction) return length;
    const allowed = Math.min(length, bytesLeft.left);
    bytesLeft = allowed < length ? null : { direction, left: bytesLeft.left - length };
    return allowed;
  }

  /** `null`: the message may pass. */
  function cutFor(message: Message): Cut | null {
    const text = textOf(message);
    if (armed !== null && text !== null && armed.statement.test(text)) {
      const { cut } = armed;
      armed = armed.left > 1 ? { ...armed, left: armed.left - 1 } : null;
      cuts++;
      return cut;
    }
    if (text !== null && options.count?.test(text) === true) passed++;
    return null;
  }

  const server = net.createServer((client) => {
    const upstream = net.connect(Number(target.port || 5432), target.hostname);
    const pair = { client, upstream };
    pairs.add(pair);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      // A cut ends in ECONNRESET on both sides.
      socket.on('error', () => undefined);
      if (stalled) socket.pause();
    }
    let cut: Cut | null = null;
    const hangUp = () => {
      client.destroy();
      upstream.destroy();
    };
    const pass = (to: net.Socket, direction: Direction, bytes: Buffer) => {
      const allowed = allowance(direction, bytes.length);
      const write = () => {
        if (!to.destroyed) to.write(bytes.subarray(0, allowed));
        if (allowed < bytes.length) hangUp();
      };
      if (allowed < bytes.length) cuts++;
      // Timers of equal length fire in the order in which they were set.
      if (latencyMs > 0) setTimeout(write, latencyMs);
      else write();
    };
    upstream.on('data', (chunk) => {
      // The first reply to a statement that was cut `after`: the server has executed it.
      if (cut === null) pass(client, 'to client', chunk);
      else hangUp();
    });
    const read = createMessageReader();
    // A prepared query is several messages. The server answers it after the last one.
    let doomed: Buffer[] = [];
    client.on('data', (chunk) => {
      for (const message of read(chunk)) {
        if (cut === null) cut = cutFor(message);
        else if (doomed.length === 0) return;
        if (cut === null) {
          pass(upstream, 'to server', message.bytes);
          continue;
        }
        if (cut === 'before') return hangUp();
        doomed.push(message.bytes);
        if (message.type === 'P' || message.type === 'B' || message.type === 'D' || message.type === 'E')
          continue;
        const bytes = Buffer.concat(doomed);
        doomed = [];
        if (cut === 'after') {
          upstream.write(bytes);
        } else {
          client.destroy();
          setTimeout(() => upstream.write(bytes), options.lateMs ?? 500);
        }
        return;
      }
    });
    client.on('close', () => {
      if (cut === null) upstream.destroy();
    });
    upstream.on('close', () => {
      client.destroy();
      pairs.delete(pair);
    });
  });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  await listen(0);
  const { port } = server.address() as net.AddressInfo;
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    url: url.href,
    cutAt(statement, cut, times = 1) {
      armed = { statement, cut, left: times };
    },
    cutAfter(bytes, direction) {
      bytesLeft = { direction, left: bytes };
    },
    reset() {
      const open = [...pairs];
      for (const { client, upstream } of open) {
        client.resetAndDestroy();
        upstream.destroy();
      }
      return open.length;
    },
    stall() {
      stalled = true;
      for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.pause();
    },
    delay(ms) {
      latencyMs = ms;
    },
    async refuse() {
      // It would resolve only when the open connections have ended, so it is not awaited.
      server.close();
    },
    async heal() {
      [armed, bytesLeft, latencyMs, stalled] = [null, null, 0, false];
      for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.resume();
      if (!server.listening) await listen(port);
    },
    cuts: () => cuts,
    passed: () => passed,
    async close() {
      for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.destroy();
      if (server.listening) await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
