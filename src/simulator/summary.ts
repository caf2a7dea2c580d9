// Serves the requested page of the account's users, as in the API or as in a fault.
import type { UserRisk } from '../user-risk.ts';
import { result } from './answers.ts';
import type { SimulatedAnswer } from './answers.ts';
import { cutPage, type PageLimits } from './cut-page.ts';
import type { Fault } from './faults.ts';
import type { Listing } from './listing.ts';

export function summaryPage(
  listing: Listing,
  query: URLSearchParams,
  instant: Date,
  limits: PageLimits,
  faults: ReadonlySet<Fault>,
): SimulatedAnswer {
  let whole: readonly UserRisk[] = [];
  const cut = cutPage(query, limits, faults, () => {
    if (!faults.has('empty')) whole = listing.rows(instant, query.get('order_by'), query.get('direction'));
    return whole;
  });
  if ('refused' in cut) return cut.refused;
  const users = faults.has('bad-record') ? spoil(cut.rows, whole) : cut.rows;
  // After the page is cut, so that the drift shows from the next page on.
  if (faults.has('drift')) listing.drift(cut.end);
  return result({ users }, cut.info);
}

/** Always spoils the same user, the one with the account's smallest id, on whichever page it is. */
function spoil(users: readonly UserRisk[], whole: readonly UserRisk[]): object[] {
  let victim = '~';
  for (const { user_id: id } of whole) if (id < victim) victim = id;
  return users.map((user) => (user.user_id === victim ? { ...user, max_risk_level: 'critical' } : user));
}
