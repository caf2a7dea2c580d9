// Watches the statements of a pool while it holds the feed clock: how many round trips, and how long.
import type { Pool } from '../../../src/db/pool.ts';

export type ClockWatch = {
  /** Resolves when the clock is taken for the first time. */
  taken: Promise<void>;
  /** Statements, or messages of several statements, after the clock was taken, with COMMIT. And the taking itself. */
  trips(): number;
  texts(): readonly string[];
  /** From the reply that brings the value to the reply to COMMIT. Both come back over the same distance. */
  heldMs(): number;
};

const TAKES = /update "risk_internal"\."feed_clock" set "last_snapshot_id"/i;

/** From now on, for the first transaction of this pool that takes the clock. */
export function clockWatch(pool: Pool): ClockWatch {
  const taken = Promise.withResolvers<void>();
  const texts: string[] = [];
  let [from, to] = [0, 0];
  pool.on('connect', (client) => {
    let isHolder = false;
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = ((...args: unknown[]) => {
      const text = textOf(args[0]);
      const takes = texts.length === 0 && TAKES.test(text);
      isHolder ||= takes;
      if (isHolder && to === 0) texts.push(text);
      const ended = query(...args);
      if (isHolder && to === 0 && ended instanceof Promise)
        void ended
          .then(() => {
            if (takes) {
              from = performance.now();
              taken.resolve();
            } else if (text === 'commit') to = performance.now();
          })
          .catch(() => undefined);
      return ended;
    }) as typeof client.query;
  });
  return { taken: taken.promise, trips: () => texts.length, texts: () => texts, heldMs: () => to - from };
}

function textOf(query: unknown): string {
  return typeof query === 'string' ? query : String((query as { text?: unknown }).text ?? '');
}
