// Repeated errors: each kind is logged once, and the longer they last, the longer the pause.
import type { Logger } from '../logger.ts';
import { troubleFields } from './trouble.ts';

export type TroubleTiming = { firstTroubleMs: number; longestTroubleMs: number };

export type Troubles = {
  /** The problem with `what` has passed. */
  over(what: string): void;
  /** Logs the error, unless the same one was logged, and returns how long to pause, in milliseconds. */
  met(what: string, error: unknown, message: string, fields?: Record<string, unknown>): number;
};

/**
 * If a database is down for a night, the log has one line, not a thousand. If a database refuses us, for example after
 * a change of the password, each refusal is logged: a person must act, and no run can be recorded.
 */
export function createTroubles(
  timing: TroubleTiming,
  logger: Pick<Logger, 'error' | 'isLevelEnabled'>,
): Troubles {
  const known = new Map<string, { times: number; code: string }>();
  return {
    over: (what) => void known.delete(what),
    met(what, error, message, more = {}) {
      const before = known.get(what);
      const fields = troubleFields(error, logger);
      const times = (before?.times ?? 0) + 1;
      known.set(what, { times, code: fields.error_code });
      const isLasting = /^DATABASE_(REFUSED|TLS|PERMISSION)$/.test(fields.error_code);
      if (isLasting || fields.error_code !== before?.code) logger.error({ ...more, ...fields }, message);
      return Math.min(timing.longestTroubleMs, timing.firstTroubleMs * 2 ** (times - 1));
    },
  };
}
