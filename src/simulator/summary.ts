// Cuts the requested page from the account's users, as the endpoint does, or as a fault makes it.
import type { UserRisk } from '../user-risk.ts';
import { failure, result } from './answers.ts';
import type { Answer } from './answers.ts';
import type { Fault } from './faults.ts';
import type { Listing } from './listing.ts';

export type PageLimits = { perPageMax: number; defaultPerPage: number };

export function summaryPage(
  listing: Listing,
  query: URLSearchParams,
  instant: Date,
  limits: PageLimits,
  faults: ReadonlySet<Fault>,
): Answer {
  const asked = { page: wholeNumber(query.get('page'), 1), perPage: wholeNumber(query.get('per_page'), 0) };
  if (asked.page === null) return failure(400, 1001, 'page must be a whole number');
  if (asked.perPage === null) return failure(400, 1001, 'per_page must be a whole number');
  if (faults.has('refuse-large') && asked.perPage > 100) return failure(400, 1001, 'per_page is too large');
  if (faults.has('refuse-above-25') && asked.perPage > 25)
    return failure(400, 8000024, 'per_page must be at most 25');
  if (faults.has('refuse-per-page') && query.has('per_page')) return failure(422, 1002, 'unknown parameter');

  const whole = faults.has('empty')
    ? []
    : listing.rows(instant, query.get('order_by'), query.get('direction'));
  const everything = faults.has('everything');
  const maximum = faults.has('clamp-50') ? Math.min(50, limits.perPageMax) : limits.perPageMax;
  const perPage = everything
    ? Math.max(1, whole.length)
    : Math.min(maximum, asked.perPage === 0 ? limits.defaultPerPage : asked.perPage);
  // page=0 means page 1.
  const page = everything || faults.has('ignore-page') ? 1 : Math.max(1, asked.page);

  if (faults.has('refuse-beyond') && page > Math.max(1, Math.ceil(whole.length / perPage)))
    return failure(404, 7003, 'Could not route to /accounts/…, perhaps your object identifier is invalid?');

  const users = whole.slice((page - 1) * perPage, page * perPage);
  const served = faults.has('bad-record') ? spoil(users, whole) : users;
  const totals = { total_count: whole.length, total_pages: Math.ceil(whole.length / perPage) };
  const info = {
    count: users.length,
    page,
    per_page: perPage,
    ...(faults.has('no-totals') ? {} : totals),
  };
  // After the page is cut, so that the drift shows from the next page on.
  if (faults.has('drift')) listing.drift(page * perPage);
  return result({ users: served }, faults.has('no-info') ? undefined : info);
}

/** Spoils always the same user, the one with the account's smallest id, whichever page holds it. */
function spoil(users: readonly UserRisk[], whole: readonly UserRisk[]): object[] {
  let victim = '~';
  for (const { user_id: id } of whole) if (id < victim) victim = id;
  return users.map((user) => (user.user_id === victim ? { ...user, max_risk_level: 'critical' } : user));
}

/** Null when the text is not a whole number. */
function wholeNumber(text: string | null, missing: number): number | null {
  if (text === null || text === '') return missing;
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}
