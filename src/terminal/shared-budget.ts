// The text about the requests that all replicas share. Pure.
import type { RequestWindow } from '../queries/health/request-windows.ts';
import { duration } from '../words.ts';

/** With a wait of this length or more, a run is noticeably slower than it could be. */
const LONG_WAIT_S = 60;

/** "412 of 960 requests in 5m (credentials 1a2b3c4d)" */
export function sharedBudgetInWords(one: RequestWindow): string {
  const { credentials, used, limit, window_ms } = one;
  const figures = `${used.toLocaleString('en-US')} of ${limit.toLocaleString('en-US')} requests in ${duration(window_ms)}`;
  const waits = [
    one.wait_s >= 1 ? `, the next one in ${duration(one.wait_s * 1000)}` : '',
    one.blocked_s >= 1 ? `, none for ${duration(one.blocked_s * 1000)} because Cloudflare answered 429` : '',
  ];
  return `${figures} (credentials ${credentials})${waits.join('')}`;
}

export function isHeldUp({ wait_s, blocked_s }: RequestWindow): boolean {
  return Math.max(wait_s, blocked_s) >= LONG_WAIT_S;
}
