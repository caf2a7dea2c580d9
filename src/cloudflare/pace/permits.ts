// Hands out permits to send requests, in the order in which they are asked for. Permits are reserved in chunks out of
// the limit that all replicas share (`SharedBudget`, handed in). If that cannot be reached, few requests go without.
import { defaultSleep, type Sleep } from '../retry.ts';
import type { Budget } from './budget.ts';
import { delayAlone } from './permit-rules.ts';
import { createPermitStock } from './permit-stock.ts';
import { createReservations, type SharedBy } from './reservations.ts';
import { createIdleWatch, createRest } from './rest.ts';
import { createWaitingLine } from './waiting-line.ts';

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

export function createPermits(options: PermitsOptions): Permits {
  const { now, limit } = options;
  const sleep = options.sleep ?? defaultSleep;
  const rest = createRest(sleep);
  const line = createWaitingLine(() => rest.end());
  const stock = createPermitStock();
  const reservations = createReservations(options, {
    wanted: () => ({ need: Math.max(1, line.length()), want: Math.max(stock.size(), line.length()) }),
    onChunk: (chunk) => stock.add(chunk),
    onAnswered: () => rest.end(),
  });
  const idle = createIdleWatch({ ms: IDLE_MS, sleep, now, onIdle: giveAllBack });
  let serving = false;
  /** When requests went without a permit. */
  let alone: number[] = [];

  async function serve(): Promise<void> {
    if (serving) return;
    serving = true;
    while (line.length() > 0) await step();
    serving = false;
    idle.note();
  }

  async function step(): Promise<void> {
    // Permits whose time is over are worth nothing here, but others may have them.
    reservations.giveBack(stock.takeExpired(now()));
    const first = stock.first();
    if (first !== undefined) {
      const wait = first.from - now();
      return wait > 0 ? rest.take(wait) : spend();
    }
    const awayUntil = reservations.awayUntil();
    if (awayUntil === null) return reservations.ask();
    if (now() >= awayUntil) void reservations.ask();
    const wait = goAlone();
    if (wait > 0)
      await rest.take(reservations.isAsking() ? wait : Math.min(wait, Math.max(1, awayUntil - now())));
  }

  function spend(): void {
    stock.spend();
    line.letGo();
    // Before the last permits are gone, so that nobody waits for the round trip. Not while every permit has its time.
    if (stock.isRunningOut() && reservations.isPlenty() && reservations.awayUntil() === null)
      void reservations.ask();
  }

  /** Returns how long nobody may go without a permit; 0: one has gone. */
  function goAlone(): number {
    const time = now();
    const ours = limit();
    alone = alone.filter((at) => at > time - ours.windowMs);
    const delay = delayAlone(alone, ours, reservations.lastKnown(), time);
    if (delay > 0) return delay;
    alone.push(time);
    reservations.noteUnreserved();
    line.letGo();
    return 0;
  }

  function giveAllBack(): void {
    if (!serving) reservations.giveBack(stock.takeAll());
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
      reservations.giveBack(stock.takeAll());
      await reservations.settled();
    },
  };
}
