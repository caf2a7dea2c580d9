// A rest that may end early: the loop wakes up when a slot begins, when a slot was missed, and at the shutdown.

export type Alarm = {
  /** Ends every rest. */
  wake(): void;
  /** How often the alarm has rung. A loop compares it, because it would miss a ring while it does not rest. */
  rings(): number;
  /** Resolves when the alarm rings, after `ms` at the latest. */
  rest(ms: number): Promise<void>;
};

/**
 * No AbortSignal.any: a loop rests every minute for a year, and listeners would accumulate on a signal that lives as
 * long.
 */
export function createAlarm(): Alarm {
  const sleepers = new Set<() => void>();
  let rings = 0;
  return {
    wake() {
      rings += 1;
      for (const end of sleepers) end();
    },
    rings: () => rings,
    rest: (ms) =>
      new Promise((resolve) => {
        const end = () => {
          clearTimeout(timer);
          sleepers.delete(end);
          resolve();
        };
        const timer = setTimeout(end, ms);
        sleepers.add(end);
      }),
  };
}
