// Lets a crowd of requests through a few at a time, so that probes and answers of the database are read between them.
// Otherwise one turn of the event loop would answer all of them, and a probe needs two turns.

/** Resolves when it is the caller's turn, in the order of the calls. */
export function fewAtATime(perTurn: number): () => Promise<void> {
  const waiting: (() => void)[] = [];
  function turn(): void {
    for (const go of waiting.splice(0, perTurn)) go();
    if (waiting.length > 0) setImmediate(turn);
  }
  return () =>
    new Promise((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(turn);
    });
}
