// Hands out permits to send requests, in the order in which they are asked for. Permits are reserved in chunks out of
// the limit that all replicas share (`SharedBudget`, handed in). If that cannot be reached, few requests go without.
import { defaultSleep, type Sleep } from '../retry.ts';
import type { Budget, RequestLimit } from './budget.ts';
import { delayAlone } from './permit-rules.ts';
import { createPermitStock, type PermitStock } from './permit-stock.ts';
import { createReservations, type Reservations, type SharedBy } from './reservations.ts';
import { createIdleWatch, createRest, type Rest } from './rest.ts';
import { createWaitingLine, type WaitingLine } from './waiting-line.ts';

export type Permits = {
  /** Resolves when one request may go. One that does not go then still counts. Rejects with signal.reason. */
  take(signal: AbortSignal): Promise<void>;
  block(ms: number): void;
  /** What the database said last; null before. */
  left(): Budget | null;
  /** Gives back what is not used. */
  close(): Promise<void>;
};

type PermitsOptions = SharedBy & { sleep?: Sleep };

/** Without a request for this time, unused permits are given back. */
const IDLE_MS = 2_000;

type Desk = {
  now: () => number;
  limit: () => RequestLimit;
  line: WaitingLine;
  stock: PermitStock;
  reservations: Reservations;
  /** Ended when there is something new to look at. */
  rest: Rest;
  /** When requests went without a permit. */
  alone: number[];
};

export function createPermits(options: PermitsOptions): Permits {
  const { now } = options;
  const sleep = options.sleep ?? defaultSleep;
  const desk = openDesk(options, sleep);
  const { line, stock, reservations } = desk;
  let serving = false;
  const giveAllBack = () => reservations.giveBack(stock.takeAll());
  const idle = createIdleWatch({ ms: IDLE_MS, sleep, now, onIdle: () => !serving && giveAllBack() });

  async function serve(): Promise<void> {
    if (serving) return;
    serving = true;
    while (line.length() > 0) await step(desk);
    serving = false;
    idle.note();
  }

  return {
    take(signal) {
      const turn = line.join(signal);
      if (line.length() > 0) void serve();
      return turn;
    },
    block: (ms) => reservations.block(ms),
    left: () => reservations.left(),
    async close() {
      idle.end();
      await reservations.answered();
      giveAllBack();
      await reservations.settled();
    },
  };
}

function openDesk(options: PermitsOptions, sleep: Sleep): Desk {
  const { now, limit } = options;
  const rest = createRest(sleep);
  const line = createWaitingLine(() => rest.end());
  const stock = createPermitStock();
  const reservations = createReservations(options, {
    wanted: () => ({ need: Math.max(1, line.length()), want: Math.max(stock.size(), line.length()) }),
    onChunk: (chunk) => stock.add(chunk),
    onAnswered: () => rest.end(),
  });
  return { now, limit, line, stock, reservations, rest, alone: [] };
}

/** Lets the first one go, or does what brings it nearer: waits, or asks for permits. */
async function step(desk: Desk): Promise<void> {
  const { now, stock, reservations, rest } = desk;
  // Permits whose time is over are worth nothing here, but others may have them.
  const expired = stock.takeExpired(now());
  if (expired.length > 0) reservations.giveBack(expired);
  const first = stock.first();
  if (first !== undefined) {
    const wait = first.from - now();
    return wait > 0 ? rest.take(wait) : spend(desk);
  }
  const awayUntil = reservations.awayUntil();
  if (awayUntil === null) return reservations.ask();
  if (now() >= awayUntil) void reservations.ask();
  const wait = goAlone(desk);
  if (wait > 0)
    await rest.take(reservations.isAsking() ? wait : Math.min(wait, Math.max(1, awayUntil - now())));
}

function spend({ line, stock, reservations }: Desk): void {
  stock.spend();
  line.letGo();
  // Before the last permits are gone, so that nobody waits for the round trip. Not while every permit has its time.
  if (stock.isRunningOut() && reservations.isPlenty() && reservations.awayUntil() === null)
    void reservations.ask();
}

/** Returns how long nobody may go without a permit; 0: one has gone. */
function goAlone(desk: Desk): number {
  const { line, reservations } = desk;
  const time = desk.now();
  const limit = desk.limit();
  desk.alone = desk.alone.filter((at) => at > time - limit.windowMs);
  const delay = delayAlone(desk.alone, limit, reservations.lastKnown(), time);
  if (delay > 0) return delay;
  desk.alone.push(time);
  reservations.noteUnreserved();
  line.letGo();
  return 0;
}
