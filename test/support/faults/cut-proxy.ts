// A fault proxy that breaks connections at their COMMIT: before the server has received it, or after the server has
// committed and before the reply is passed on.
import { startFaultProxy, type Cut } from './fault-proxy.ts';

export type { Cut } from './fault-proxy.ts';

export type CutProxy = {
  url: string;
  /** Cuts the next `times` connections that send COMMIT. */
  arm(cut: Cut, times?: number): void;
  /** How many connections were cut so far. */
  cuts(): number;
  /** COMMITs that passed uncut. */
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
