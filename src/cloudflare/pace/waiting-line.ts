// Requests that wait, in the order of their calls.

export type WaitingLine = {
  length(): number;
  /** Resolves when it is this request's turn. Rejects with signal.reason, and frees the place. */
  join(signal: AbortSignal): Promise<void>;
  /** Resolves the first one in line. There must be one. */
  letGo(): void;
};

/** `onLeft`: the last waiting request has given up. */
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
