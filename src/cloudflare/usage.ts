// What a run costs at the API. The client reports each use as it happens, and the caller adds them up.
export type ClientUsage = {
  requests: number;
  retries: number;
  /** Bytes of bodies, failed answers included. */
  bytes: number;
};

/** Called with every request, every retry and every piece of a body. */
export type CountUse = (of: keyof ClientUsage, by: number) => void;
