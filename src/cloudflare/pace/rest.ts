// Two kinds of rest: one that can be ended early, and one that ends when nothing has happened for a while.
import type { Sleep } from '../retry.ts';

export type Rest = { take(ms: number): Promise<void>; end(): void };

/** A sleep that can be ended early. One at a time. */
export function createRest(sleep: Sleep): Rest {
  let ending: AbortController | null = null;
  return {
    async take(ms) {
      const mine = new AbortController();
      ending = mine;
      const ended = new Promise<void>((resolve) => {
        mine.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      await Promise.race([sleep(ms, mine.signal).catch(() => undefined), ended]);
      if (ending === mine) ending = null;
    },
    end() {
      ending?.abort();
      ending = null;
    },
  };
}

export type IdleWatch = {
  /** Something happened now. */
  note(): void;
  /** Waits no longer: it is idle now. */
  end(): void;
};

/** Calls `onIdle` when nothing was noted for `ms`. */
export function createIdleWatch(options: {
  ms: number;
  sleep: Sleep;
  now: () => number;
  onIdle: () => void;
}): IdleWatch {
  const { ms, now, onIdle } = options;
  const rest = createRest(options.sleep);
  let notedAt = 0;
  let isWatching = false;
  let hasEnded = false;

  /** One timer for many notes, because a timer for each would cost more than a permit. */
  async function watch(): Promise<void> {
    isWatching = true;
    for (let left = ms; left > 0 && !hasEnded; left = notedAt + ms - now()) await rest.take(left);
    isWatching = false;
    onIdle();
  }

  return {
    note() {
      notedAt = now();
      if (!isWatching) void watch();
    },
    end() {
      hasEnded = true;
      rest.end();
    },
  };
}
