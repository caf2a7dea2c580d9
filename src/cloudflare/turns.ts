// Makes work end in the order in which it began, even if a later part is faster. One queue per key.

export type Turn = {
  /** Resolves when all earlier turns are over. Never rejects. */
  come: Promise<void>;
  /** Must be called, even if the work failed: the next turn waits for it. */
  over(): void;
};

export function createTurns(): (key: string) => Turn {
  const last = new Map<string, Promise<void>>();
  return (key) => {
    const come = last.get(key) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const ended = come
      .then(() => promise)
      .then(() => {
        if (last.get(key) === ended) last.delete(key);
      });
    last.set(key, ended);
    return { come, over: resolve };
  };
}
