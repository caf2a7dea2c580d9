// A deadline that can be extended, and paused while other work is awaited.

export type Deadline = {
  putOff(ms: number): void;
  pause(): void;
  resume(): void;
  clear(): void;
};

/** Calls `onPassed` once, after `ms` and all extensions. The time of a pause does not count. */
export function createDeadline(ms: number, onPassed: () => void): Deadline {
  let leftMs = ms;
  let since = performance.now();
  let timer = setTimeout(look, leftMs);

  function look(): void {
    spend();
    // The deadline was extended, or the timer fired a fraction of a millisecond too early.
    if (leftMs >= 1) timer = setTimeout(look, leftMs);
    else onPassed();
  }

  function spend(): void {
    const now = performance.now();
    leftMs -= now - since;
    since = now;
  }

  return {
    putOff(more) {
      leftMs += more;
    },
    pause() {
      clearTimeout(timer);
      spend();
    },
    resume() {
      since = performance.now();
      timer = setTimeout(look, Math.max(0, leftMs));
    },
    clear: () => clearTimeout(timer),
  };
}
