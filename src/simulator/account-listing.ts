// The list of accounts that the credentials may see: ids from a seed, and the pages of the list.
import { result } from './answers.ts';
import type { SimulatedAnswer } from './answers.ts';
import { cutPage } from './cut-page.ts';
import type { Fault } from './faults.ts';
import { hash } from './random.ts';

/** This endpoint has limits of its own. */
const LIMITS = { perPageMax: 50, defaultPerPage: 20 };

/** The first id is always the same. The others follow from the seed. */
export function simulatedAccounts(first: string, count: number, seed: number): string[] {
  const hex = (n: number, part: number) => (hash(seed, n, part) >>> 0).toString(16).padStart(8, '0');
  return Array.from({ length: count }, (_, n) =>
    n === 0 ? first : `5e1f${hex(n, 1)}${hex(n, 2)}${hex(n, 3)}${n.toString(16).padStart(4, '0')}`,
  );
}

export type AccountListing = {
  page(accountIds: readonly string[], query: URLSearchParams, faults: ReadonlySet<Fault>): SimulatedAnswer;
};

export function createAccountListing(): AccountListing {
  // Under the fault `drift`: accounts that have moved to the top, the newest first.
  let moved: string[] = [];
  return {
    page(accountIds, query, faults) {
      const isHidden = faults.has('no-accounts');
      const cut = cutPage(query, LIMITS, faults, () =>
        isHidden ? [] : [...moved, ...accountIds.filter((id) => !moved.includes(id))],
      );
      if ('refused' in cut) return cut.refused;
      if (faults.has('drift')) {
        const last = accountIds.filter((id) => !moved.includes(id)).at(-1);
        moved = last === undefined || cut.end >= accountIds.length ? [] : [last, ...moved];
      }
      const accounts = cut.rows.map((id) => ({ id, name: `Simulated ${id.slice(-4)}`, type: 'enterprise' }));
      return result(accounts, cut.info);
    },
  };
}
