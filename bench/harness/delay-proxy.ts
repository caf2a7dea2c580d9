// Makes a server look further away: a TCP proxy that passes on every byte after a delay, in both directions and in
// order.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';

export type DelayProxy = { port: number; stop(): Promise<void> };

// A sender waits while this many bytes are on their way, about as on a line of 1 Gbit/s.
const IN_FLIGHT_BYTES = 4 * 1024 * 1024;

export async function startDelayProxy(
  target: { host: string; port: number },
  delayMs: number,
): Promise<DelayProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => [near, far].forEach((end) => end.destroy()));
      socket.on('close', () => sockets.delete(socket));
    }
    handOn(near, far, delayMs);
    handOn(far, near, delayMs);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function handOn(source: Socket, sink: Socket, delayMs: number): void {
  let underWay = 0;
  source.on('data', (data: Buffer) => {
    underWay += data.length;
    if (underWay > IN_FLIGHT_BYTES) source.pause();
    setTimeout(() => {
      underWay -= data.length;
      if (underWay <= IN_FLIGHT_BYTES) source.resume();
      if (!sink.destroyed) sink.write(data);
    }, delayMs);
  });
  source.on('end', () => setTimeout(() => sink.end(), delayMs));
}
