// Decides which connections stay when there are too many. The newest always gets in, so a probe is answered even if
// strangers open many connections. Another one gives way: the one that has been silent for longest, in the network that
// holds the most.
import type { Server } from 'node:http';
import { isIP, type Socket } from 'node:net';

/** A crowd of 1,000 scrapes fits. A silent connection takes about 10 kB. */
export const MAX_CONNECTIONS = 1_024;
/**
 * Networks with at most this many connections count alike, because the probes and the scraper of a host may connect at
 * once.
 */
const FEW = 8;

export type Room = {
  /** The connection has sent a whole request. */
  moved(socket: Socket): void;
};

export function keepRoom(server: Server, most: number, onCrowded: () => void): Room {
  // In the order of their last sign of life.
  const seats = new Map<Socket, string>();
  server.on('connection', (socket) => {
    const giving = seats.size < most ? undefined : whoGivesWay(seats);
    if (giving !== undefined) {
      seats.delete(giving);
      giving.destroy();
      onCrowded();
    }
    seats.set(socket, networkOf(socket.remoteAddress ?? ''));
    socket.once('close', () => seats.delete(socket));
  });
  return {
    moved(socket) {
      const network = seats.get(socket);
      // Undefined: it has just given way.
      if (network === undefined) return;
      seats.delete(socket);
      seats.set(socket, network);
    },
  };
}

/** Pure. `seats`: which network each connection belongs to, in the order of the last sign of life. */
export function whoGivesWay<Seat>(seats: ReadonlyMap<Seat, string>): Seat | undefined {
  const held = new Map<string, number>();
  for (const network of seats.values()) held.set(network, (held.get(network) ?? 0) + 1);
  const most = Math.max(FEW, ...held.values());
  const givesWay = new Set(
    [...held].filter(([, count]) => Math.max(count, FEW) === most).map(([name]) => name),
  );
  for (const [seat, network] of seats) if (givesWay.has(network)) return seat;
  return undefined;
}

/** One customer of a provider has one IPv4 address, or the 2^64 addresses of one IPv6 network. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [first, last] = [groups(head), groups(tail ?? '')];
  // `::` replaces the zeros that are missing to eight groups.
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0');
  return [...first, ...zeros, ...last].slice(0, 4).join(':');
}
