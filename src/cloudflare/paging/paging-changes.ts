// Whether a server handles paging differently than before. Pure.
import type { KeptPaging, Paging } from '../../evidence.ts';

/**
 * The names of the facts that differ. An account that fits on one page does not show how the server handles pages. So
 * only facts that both walks could observe are compared.
 */
export function pagingChanges(was: KeptPaging, is: KeptPaging): (keyof Paging)[] {
  const changes: (keyof Paging)[] = [];
  if (was.totals !== is.totals) changes.push('totals');
  if (was.page === 'not_needed' || is.page === 'not_needed') return changes;
  if (was.page !== is.page) changes.push('page');
  if (was.per_page !== is.per_page) changes.push('per_page');
  const bothClamped = was.per_page === 'clamped' && is.per_page === 'clamped';
  if (bothClamped && was.page_size !== is.page_size) changes.push('page_size');
  return changes;
}
