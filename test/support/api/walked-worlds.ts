// Worlds of paging, and what one walk of each must result in.
import assert from 'node:assert/strict';
import type { Pass, PassRequest } from '../../../src/cloudflare/paging/pass.ts';
import { walkPages as walkPagesOf } from '../../../src/cloudflare/paging/walk-pages.ts';
import { judgeWalk } from '../../../src/sync/walk/verdict.ts';
import { type Outcome, type PagingWorld } from './paging-world.ts';

export type Info = NonNullable<PagingWorld['info']>;
export const info = (
  total_count: Info['total_count'],
  total_pages: Info['total_pages'],
  per_page: Info['per_page'] = 'asked',
): Info => ({ total_count, total_pages, per_page });
/** What a server may do to the order and the content of its answers between any two of them. */
export const MOVING = { shuffled: true, restless: true, acts: [3, 129, 64] };
export const NO_TOTALS = info('missing', 'missing');
export const slip = (nth: number, what: number | 'empty' | 'refused') => ({ slips: new Map([[nth, what]]) });

/** None of these passes begins again. */
export const walkPages = (request: Omit<PassRequest<unknown[]>, 'firstSize' | 'restart'>): Promise<Pass> =>
  walkPagesOf({ ...request, firstSize: 1_000, restart: () => assert.fail() });

export function assertWhole(outcome: Outcome): NonNullable<Outcome['pass']> {
  assert.equal(outcome.error, null);
  assert.ok(outcome.whole, `met ${outcome.met}`);
  assert.deepEqual(outcome.stale, []);
  assert.ok(outcome.pass);
  return outcome.pass;
}

/** The verdict on this pass alone. */
export function verdictOn(outcome: Outcome): 'complete' | 'partial' {
  const { pass } = outcome;
  assert.ok(pass);
  const { totalFirst, totalLast, totalsMoved, oneResponse } = pass;
  const { records, met } = outcome;
  assert.ok(records >= met, `${records} records of ${met} users`);
  const facts = { records, rejected: 0, unreadable: 0, met };
  return judgeWalk({
    passes: [{ ...facts, totalFirst, totalLast, totalsMoved, oneResponse }],
    met: outcome.met,
    overlap: null,
  }).verdict;
}
