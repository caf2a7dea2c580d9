// Time that passes only while all tasks sleep. `run` moves it from timer to timer until no timer is left.
import { setImmediate as settled } from 'node:timers/promises';

export type VirtualClock = {
  now(): number;
  sleep(ms: number): Promise<void>;
  run(): Promise<void>;
};

export function virtualClock(): VirtualClock {
  let time = 1_000;
  const timers: { at: number; wake: () => void }[] = [];
  return {
    now: () => time,
    sleep: (ms) => new Promise((wake) => timers.push({ at: time + ms, wake })),
    async run() {
      for (;;) {
        await settled();
        timers.sort((a, b) => a.at - b.at);
        const next = timers.shift();
        if (next === undefined) return;
        time = Math.max(time, next.at);
        next.wake();
      }
    },
  };
}
