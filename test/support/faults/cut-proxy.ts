// A fault proxy that breaks connections at their COMMIT: before the server has seen it, or once the server has committed
// but before the reply is passed on.
import { startFaultProxy, type Cut } from './fault-proxy.ts';

export type { Cut } from './fault-proxy.ts';

export type CutProxy = {
  url: string;
  /** Cuts the next `times` connections that send COMMIT. */
  arm(cut: Cut, times?: number): void;
  /** How many were cut so far. */
  cuts(): number;
  /** COMMITs that passed unharmed. */
  commits(): number;
  close(): Promise<void>;
};

const COMMIT = /^commit$/i;

export async function startCutProxy(databaseUrl: string, delayMs = 500): Promise<CutProxy> {
  const proxy = await startFaultProxy(databaseUrl, { lateMs: delayMs, count: COMMIT });
  return {
    url: proxy.url,
    arm: (cut, times) => proxy.cutAt(COMMIT, cut, times),
    cuts: proxy.cuts,
    commits: proxy.passed,
    close: proxy.close,
  };
}
