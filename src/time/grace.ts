// A grace period after a signal.

/** `over` aborts `ms` milliseconds after `signal`. */
export function startGrace(signal: AbortSignal, ms: number): { over: AbortSignal; end: () => void } {
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => over.abort(signal.reason), ms);
  };
  if (signal.aborted) begin();
  else signal.addEventListener('abort', begin, { once: true });
  return {
    over: over.signal,
    end() {
      clearTimeout(timer);
      signal.removeEventListener('abort', begin);
    },
  };
}
