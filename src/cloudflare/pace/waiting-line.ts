// Requests that wait for something, in the order in which they came.

export type WaitingLine = {
  length(): number;
  /** Resolves when it is this one's turn. Rejects with signal.reason, and then the place is free for the next one. */
  join(signal: AbortSignal): Promise<void>;
  /** Lets the first one go. There must be one. */
  letGo(): void;
};

/** `onLeft`: the last one that waited was given up. */
export function createWaitingLine(onLeft: () => void): WaitingLine {
  const waiting: { go: () => void }[] = [];
  return {
    length: () => waiting.length,
    join: (signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const leave = () => {
          waiting.splice(waiting.indexOf(place), 1);
          if (waiting.length === 0) onLeft();
          reject(signal.reason as Error);
        };
        const place = {
          go() {
            signal.removeEventListener('abort', leave);
            resolve();
          },
        };
        signal.addEventListener('abort', leave, { once: true });
        waiting.push(place);
      }),
    letGo() {
      waiting.shift()!.go();
    },
  };
}
