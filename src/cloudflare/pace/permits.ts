// Gives out permits to send requests, in the order of the calls. Permits are reserved in chunks from the limit that all
// replicas share (`SharedBudget`). While it cannot be reached, a few requests are sent without a permit.
import { defaultSleep, type Sleep } from '../retry.ts';
import type { Budget, RequestLimit } from './budget.ts';
import { delayAlone } from './permit-rules.ts';
import { createPermitStock, type PermitStock } from './permit-stock.ts';
import { createReservations, type Reservations, type SharedBy } from './reservations.ts';
import { createIdleWatch, createRest, type Rest } from './rest.ts';
import { createWaitingLine, type WaitingLine } from './waiting-line.ts';

export type Permits = {
  /** Resolves when one request may be sent. It counts even if it is not sent. Rejects with signal.reason. */
  take(signal: AbortSignal): Promise<void>;
  block(ms: number): void;
  /** The newest answer of the database. Null before the first one. */
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
  /** Ended early when something has changed. */
  rest: Rest;
  /** When requests were sent without a permit. */
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

/** Serves the first request in line, waits until it may be sent, or asks for permits. */
async function step(desk: Desk): Promise<void> {
  const { now, stock, reservations, rest } = desk;
  // Expired permits are useless here, but other replicas can use them.
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
  // Asks before the last permits are used, so that no request waits for the round trip. Not while permits must wait
  // for their time.
  if (stock.isRunningOut() && reservations.isPlenty() && reservations.awayUntil() === null)
    void reservations.ask();
}

/** Sends one request without a permit, and returns 0. Or returns how long no such request may be sent, in ms. */
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
