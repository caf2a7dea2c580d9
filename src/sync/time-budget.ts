// The time of one run, from its claim to its end. The last part is kept for the publish: a walk without time to publish
// would be useless.
import { OperatorError } from '../errors.ts';

/** How much time is kept for the publish. The publish may wait minutes for the first load of another account. */
const FOR_PUBLISH = { ms: 300_000, share: 1 / 5 };

export type TimeBudget = {
  /** Ends walk and lookups. */
  lookOver: AbortSignal;
  /** Ends the run. */
  over: AbortSignal;
  /** Milliseconds until `lookOver`. */
  timeLeft: () => number;
  /** Whether an abort came from this budget. */
  isSpent: (error: unknown) => boolean;
  end: () => void;
};

export function startBudget(ms: number): TimeBudget {
  const spent = outOfTime(ms);
  const look = new AbortController();
  const all = new AbortController();
  const lookMs = ms - Math.min(FOR_PUBLISH.ms, ms * FOR_PUBLISH.share);
  const endsAt = performance.now() + lookMs;
  const timers = [setTimeout(() => look.abort(spent), lookMs), setTimeout(() => all.abort(spent), ms)];
  return {
    lookOver: look.signal,
    over: all.signal,
    timeLeft: () => endsAt - performance.now(),
    isSpent: (error) => error === spent,
    end: () => timers.forEach(clearTimeout),
  };
}

function outOfTime(ms: number): OperatorError {
  return new OperatorError({
    code: 'TIME_BUDGET',
    happened: `The run had not ended within its time of ${Math.round(ms / 1000)} seconds`,
    means: 'Nothing was published',
    todo: 'Raise SYNC_TIME_BUDGET, or SYNC_PER_PAGE if pages are small; the dashboard may have used up the request limit, or the database may be slow',
  });
}
