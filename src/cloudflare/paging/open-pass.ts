// A pass under way: what it has learned so far, and how it takes one answer.
import type { OperatorError } from '../../errors.ts';
import type { SummaryPage } from '../client.ts';
import type { Ledger, Noted } from './ledger.ts';
import type { PassRequest } from './pass.ts';

export type OpenPass<T> = {
  request: PassRequest<T>;
  first: SummaryPage<T>;
  /** Records on the first page. */
  size: number;
  /** The page size that the worker asked for, and the one that the server uses. */
  askedPerPage: number;
  perPage: number;
  expectedPages: number | null;
  ledger: Ledger;
  /** Page 2 had the same users as page 1. */
  isPageIgnored: boolean;
  /** The highest page that was served with users. */
  newest: { number: number; records: number };
  /** The lowest known page that was empty. Infinite: none. */
  emptyFrom: number;
  /** The lowest page that was refused twice. */
  refused: { number: number; error: OperatorError } | null;
};

/** Notes one answer and hands it on. */
export async function take<T>(pass: OpenPass<T>, number: number, page: SummaryPage<T>): Promise<Noted> {
  const { request, ledger, size, expectedPages: expected } = pass;
  const what = ledger.note(page);
  if (what === 'empty') return what;
  if (number >= pass.newest.number) pass.newest = { number, records: page.count };
  await request.accept(number, page.content, what === 'repeat');
  request.onPage?.({ ...ledger.counts(), expected, total: ledger.newestTotal(), pageSize: size });
  return what;
}
