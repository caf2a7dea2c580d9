// What a page or an answer of the API is about: the accounts, the span of time and the time zone. An address holds all
// of it, so that a link can be sent.
import type { Db } from '../db/handle.ts';
import { OperatorError } from '../errors.ts';
import { knownAccounts, type KnownAccount } from '../queries/accounts/known-accounts.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { knowsZone } from '../queries/health/knows-zone.ts';
import { parseWhen, startOfDay, WHEN_HELP } from '../time/when.ts';
import { isTimeZone, wallAt } from '../time/zones.ts';
import { resolveAccounts } from './resolve-accounts.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** The year 1970. */
const EARLIEST = 0;

/** In milliseconds. `all` begins at the first snapshot. */
const RANGES = {
  '24h': DAY,
  '7d': 7 * DAY,
  '30d': 30 * DAY,
  '90d': 90 * DAY,
  '1y': 365 * DAY,
  all: null,
} as const;
export type RangeName = keyof typeof RANGES;
export const RANGE_NAMES = Object.keys(RANGES) as RangeName[];

export type Span = {
  from: Date;
  /** The end is not included, except if it is now. */
  to: Date;
  /** Null: the address gives `from` and `to`. */
  range: RangeName | null;
};

/** The values as they are in an address, unchecked. Empty texts count as missing. */
export type ScopeText = { account?: string; range?: string; from?: string; to?: string; tz?: string };

export type Scope = {
  /** All accounts that this history knows. */
  known: readonly KnownAccount[];
  /** The accounts in question: one, or all that are not retired. */
  accounts: readonly KnownAccount[];
  /** The chosen account. Null: the total of all, or of `several`. */
  chosen: KnownAccount | null;
  /** The chosen accounts, if more than one can be chosen. */
  several?: readonly KnownAccount[];
  span: Span;
  timezone: string;
  /** By the database's clock. */
  now: Date;
};

/**
 * `usual`: the range if the address names no span. `fitting` is 90 days, or less while the history is younger.
 * `isPage`: with many accounts, the default span is shorter. Throws ACCOUNT_UNKNOWN, ACCOUNT_AMBIGUOUS, SCOPE_INVALID,
 * TIMEZONE_UNKNOWN, TIMES_SWAPPED.
 */
export async function scopeOf(
  db: Db,
  text: ScopeText,
  usual: RangeName | 'fitting',
  isPage = false,
): Promise<Scope> {
  const timezone = await zoneOf(db, text.tz);
  const now = await databaseNow(db);
  const known = await knownAccounts(db);
  const chosen = text.account ? (resolveAccounts(known, [text.account])[0] ?? null) : null;
  const accounts = chosen ? [chosen] : known.filter(({ retired_at }) => retired_at === null);
  const firsts = accounts.flatMap(({ first_at }) => (first_at === null ? [] : [first_at.getTime()]));
  const firstAt = firsts.length === 0 ? now : new Date(Math.min(...firsts));
  const clock = { now, timezone, firstAt };
  const wanted = usual === 'fitting' ? fitting(clock) : usual;
  const range = isPage ? affordable(wanted, accounts.length) : wanted;
  return { known, accounts, chosen, span: spanOf(text, range, clock), timezone, now };
}

/**
 * The shortest range that holds the history, up to 90 days. Otherwise a young history would be a sliver at the edge of
 * the chart. Pure.
 */
export function fitting({ now, firstAt }: Pick<ScopeClock, 'now' | 'firstAt'>): RangeName {
  const age = now.getTime() - firstAt.getTime();
  return (['24h', '7d', '30d'] as const).find((range) => age < RANGES[range]) ?? '90d';
}

/** With more accounts than this, a page of all accounts leaves out questions for each day of each account. */
const MANY_ACCOUNTS = 100;

export function isMany({
  chosen,
  several,
  accounts,
}: Pick<Scope, 'chosen' | 'several' | 'accounts'>): boolean {
  return chosen === null && (several ?? accounts).length > MANY_ACCOUNTS;
}

/** The limit of accounts times days for a default span: such a page takes about a second. */
const ACCOUNT_DAYS = 10_000;

/** The longest range up to this one that a page of this number of accounts shows by default. Pure. */
export function affordable(range: RangeName, accounts: number): RangeName {
  if (range === 'all') return range;
  const shorter = (['1y', '90d', '30d', '7d'] as const).filter((one) => RANGES[one] <= (RANGES[range] ?? 0));
  return shorter.find((one) => (RANGES[one] / DAY) * accounts <= ACCOUNT_DAYS) ?? '24h';
}

/** Ids for a question; null: all accounts, retired ones included. */
export function idsOf({ chosen, several }: Pick<Scope, 'chosen' | 'several'>): readonly string[] | null {
  if (chosen !== null) return [chosen.account_id];
  return several?.map(({ account_id }) => account_id) ?? null;
}

type ScopeClock = { now: Date; timezone: string; firstAt: Date };

/** Pure. Throws SCOPE_INVALID, TIMES_SWAPPED. */
export function spanOf({ range, from, to }: ScopeText, usual: RangeName, clock: ScopeClock): Span {
  if (!from && !to) return ofRange(rangeOf(range, usual), clock);
  const end = to ? timeOf('to', to, clock) : clock.now;
  const begin = from ? timeOf('from', from, clock) : clock.firstAt;
  if (begin < end) return { from: begin, to: end, range: null };
  throw new OperatorError({
    code: 'TIMES_SWAPPED',
    happened: `from is ${begin.toISOString()}, and to is not later: ${end.toISOString()}`,
    means: 'A span goes from the earlier time to the later one',
    todo: 'Swap the two',
  });
}

function ofRange(range: RangeName, { now, timezone, firstAt }: ScopeClock): Span {
  const length = RANGES[range];
  // Longer spans are shown by the day, so they begin with a whole day.
  const begin = new Date(length === null ? firstAt : now.getTime() - length);
  const from = length === DAY ? begin : startOfDay(dayOf(begin, timezone), timezone);
  return { from, to: now, range };
}

/** "2026-03-01", the local date. */
export function dayOf(at: Date, timezone: string): string {
  return new Date(wallAt(at.getTime(), timezone)).toISOString().slice(0, 10);
}

function rangeOf(text: string | undefined, usual: RangeName): RangeName {
  if (!text) return usual;
  const found = RANGE_NAMES.find((name) => name === text);
  if (found) return found;
  throw invalid('range', `one of ${RANGE_NAMES.join(', ')}`);
}

function timeOf(name: string, text: string, { now, timezone }: ScopeClock): Date {
  const when = parseWhen(text, { now, timezone });
  if (when?.kind !== 'instant') throw invalid(name, WHEN_HELP);
  // No history is older, and PostgreSQL reads no year BC in this form.
  return new Date(Math.min(Math.max(when.at.getTime(), EARLIEST), now.getTime()));
}

async function zoneOf(db: Db, text: string | undefined): Promise<string> {
  if (!text || text === 'UTC') return 'UTC';
  if (!isTimeZone(text)) throw invalid('tz', 'the name of a time zone, such as Europe/Berlin');
  await requireZone(db, text);
  return text;
}

/** Checks that this program knows the zone, before SQL gets it. Throws TIMEZONE_UNKNOWN. */
export async function requireZone(db: Db, timezone: string): Promise<void> {
  if (timezone === 'UTC' || (await knowsZone(db, timezone))) return;
  throw new OperatorError({
    code: 'TIMEZONE_UNKNOWN',
    happened: `PostgreSQL does not know the time zone ${timezone}`,
    means: 'It has a list of its own, and cannot say when days begin in this zone',
    todo: 'Give --timezone, SYNC_TIMEZONE or the parameter tz another name of the zone, such as Europe/Berlin. The view pg_timezone_names lists all',
  });
}

function invalid(name: string, wanted: string): OperatorError {
  return new OperatorError({
    code: 'SCOPE_INVALID',
    happened: `The parameter ${name} of this address cannot be read`,
    means: 'It is not known which accounts or which time are meant',
    todo: `Give ${wanted}`,
  });
}
