// Rest that ends early: whoever rests is woken when a slot begins, when the clock was set back, and at the end.

export type Alarm = {
  /** Ends every rest. */
  wake(): void;
  /** How often it has rung: a ring while nobody rests would be missed otherwise. */
  rings(): number;
  /** Until the alarm rings, that long at most. */
  rest(ms: number): Promise<void>;
};

/** No AbortSignal.any: in a year of minutes, too much would gather on the one that lives as long. */
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
