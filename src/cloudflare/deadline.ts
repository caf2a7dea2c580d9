// A deadline that can be put off, and that does not run while something else is waited for.

export type Deadline = {
  putOff(ms: number): void;
  pause(): void;
  resume(): void;
  clear(): void;
};

/** Calls `onPassed` once, when `ms` and all that was put off are over. */
export function createDeadline(ms: number, onPassed: () => void): Deadline {
  let leftMs = ms;
  let since = performance.now();
  let timer = setTimeout(look, leftMs);

  function look(): void {
    spend();
    // Put off meanwhile; a timer may also be early by a fraction of a millisecond.
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
