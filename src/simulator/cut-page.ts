// Which part of a list a request gets, and what the answer says about the whole list, as in the API or as in a fault.
import { failure } from './answers.ts';
import type { SimulatedAnswer } from './answers.ts';
import type { Fault } from './faults.ts';

export type PageLimits = { perPageMax: number; defaultPerPage: number };

export type Cut<T> = {
  rows: readonly T[];
  /** Undefined: the answer has no result_info. */
  info: object | undefined;
  /** Where the page ends in the list. */
  end: number;
};

/** If the request is refused, returns the refusal. */
export function cutPage<T>(
  query: URLSearchParams,
  limits: PageLimits,
  faults: ReadonlySet<Fault>,
  list: () => readonly T[],
): Cut<T> | { refused: SimulatedAnswer } {
  const asked = { page: wholeNumber(query.get('page'), 1), perPage: wholeNumber(query.get('per_page'), 0) };
  const refuse = (status: number, code: number, message: string) => ({
    refused: failure(status, code, message),
  });
  if (asked.page === null) return refuse(400, 1001, 'page must be a whole number');
  if (asked.perPage === null) return refuse(400, 1001, 'per_page must be a whole number');
  if (faults.has('refuse-large') && asked.perPage > 100) return refuse(400, 1001, 'per_page is too large');
  if (faults.has('refuse-above-25') && asked.perPage > 25)
    return refuse(400, 8000024, 'per_page must be at most 25');
  if (faults.has('refuse-per-page') && query.has('per_page')) return refuse(422, 1002, 'unknown parameter');

  const whole = list();
  const everything = faults.has('everything');
  const maximum = faults.has('clamp-50') ? Math.min(50, limits.perPageMax) : limits.perPageMax;
  const perPage = everything
    ? Math.max(1, whole.length)
    : Math.min(maximum, asked.perPage === 0 ? limits.defaultPerPage : asked.perPage);
  // page=0 means page 1.
  const page = everything || faults.has('ignore-page') ? 1 : Math.max(1, asked.page);

  if (faults.has('refuse-beyond') && page > Math.max(1, Math.ceil(whole.length / perPage)))
    return refuse(404, 7003, 'Could not route to /accounts/…, perhaps your object identifier is invalid?');

  const rows = whole.slice((page - 1) * perPage, page * perPage);
  const totals = { total_count: whole.length, total_pages: Math.ceil(whole.length / perPage) };
  const info = { count: rows.length, page, per_page: perPage, ...(faults.has('no-totals') ? {} : totals) };
  return { rows, info: faults.has('no-info') ? undefined : info, end: page * perPage };
}

/** Null if the text is not a whole number. */
function wholeNumber(text: string | null, missing: number): number | null {
  if (text === null || text === '') return missing;
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}
