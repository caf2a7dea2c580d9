// Judges the clocks and the rate limit by what the answers stated. Pure.
import { isPlentyLeft, limitInWords, tightestBudget, type Budget } from '../../cloudflare/pace/budget.ts';
import { EXIT } from '../../errors.ts';
import { CLOCK_TOLERANCE_MS } from '../../time/clock-tolerance.ts';
import { failed, ok, skipped, warning, type Line } from './lines.ts';
import { duration, plural } from '../../words.ts';

const WARN_MS = 60_000;

/** How far each clock is ahead of this host's. Null if it is not known. */
export function judgeClocks(apiMs: number | null, databaseMs: number | null): Line {
  const clocks = [
    { name: 'this host', ms: 0 },
    ...(databaseMs === null ? [] : [{ name: 'the database', ms: databaseMs }]),
    ...(apiMs === null ? [] : [{ name: 'Cloudflare', ms: apiMs }]),
  ];
  if (clocks.length === 1) return skipped('clock', 'no other clock could be read');
  const pairs = clocks.flatMap((a, index) =>
    clocks.slice(index + 1).map((b) => ({ a, b, apart: Math.abs(a.ms - b.ms) })),
  );
  const off = pairs.filter(({ apart }) => apart > WARN_MS);
  if (off.length === 0) {
    const most = Math.max(...pairs.map(({ apart }) => apart));
    return ok('clock', `${clocks.map(({ name }) => name).join(', ')}: within ${duration(most)}`);
  }
  const found = off
    .map(({ a, b, apart }) => {
      const [ahead, behind] = a.ms > b.ms ? [a, b] : [b, a];
      return `${ahead.name} is ${duration(apart)} ahead of ${behind.name}`;
    })
    .join('; ');
  // Of three clocks, the one that differs from both others is wrong.
  const wrong = clocks.find((clock) => off.length > 1 && off.every(({ a, b }) => a === clock || b === clock));
  const mend = `Correct ${wrong === undefined ? 'the wrong clock' : `the clock of ${wrong.name}`}, preferably with NTP`;
  const isGrave = apiMs !== null && databaseMs !== null && Math.abs(apiMs - databaseMs) > CLOCK_TOLERANCE_MS;
  if (isGrave)
    return failed('clock', EXIT.tryLater, found, `${mend}; otherwise snapshots stand for the wrong time`);
  return warning('clock', found, mend);
}

export function judgeBudget(budgets: readonly Budget[] | null): Line {
  if (budgets === null) return skipped('rate_budget', 'Cloudflare could not be asked');
  const budget = tightestBudget(budgets);
  if (budget === null) return ok('rate_budget', `the answers state no limit: ${limitInWords()} are assumed`);
  const { remaining, quota, resetMs } = budget;
  const found = `${plural(remaining, 'request')} left${quota === null ? '' : ` of ${quota.toLocaleString('en-US')}`} for ${duration(resetMs)}`;
  if (isPlentyLeft(budget)) return ok('rate_budget', found);
  return warning(
    'rate_budget',
    found,
    'Wait that long; the limit is shared with the dashboard and every other program of the same user',
  );
}
