// Reads all pages once, at one page size: first page 1, then the pages that the totals promise, side by side, then one
// page at a time until the end is proven.
import pLimit, { type LimitFunction } from 'p-limit';
import type { SummaryPage } from '../client.ts';
import { pageRefusal } from '../problems/meanings.ts';
import { createLedger, type Noted } from './ledger.ts';
import { take, type OpenPass } from './open-pass.ts';
import { expectedPages, isFullPage, mayHoldMore, pageCap } from './page-size.ts';
import { pagingEndless, pagingUnusable } from './paging-errors.ts';
import { AUTO_SIZES, NO_SIZE, type Pass, type PassRequest } from './pass.ts';
import { fetchTwice, proveRefusedEnd } from './refused-pages.ts';

export async function readPages<T>(request: PassRequest<T>, askedPerPage: number): Promise<Pass> {
  const { first, perPage, reads } = await readFirst(request, askedPerPage);
  const size = first.count;
  const pass: OpenPass<T> = {
    request,
    first,
    size,
    askedPerPage,
    perPage,
    expectedPages: expectedPages(first, size),
    ledger: createLedger(reads - 1),
    isPageIgnored: false,
    newest: { number: 1, records: size },
    emptyFrom: Number.POSITIVE_INFINITY,
    refused: null,
  };
  await take(pass, 1, first);
  const isOver = size === 0 || (await readPromised(pass));
  if (!isOver) await readBeyond(pass, (pass.expectedPages ?? 1) + 1);
  // After an empty page, a refused page proves nothing more.
  if (pass.refused !== null && pass.refused.number > pass.emptyFrom) pass.refused = null;
  if (pass.refused !== null) await proveRefusedEnd(pass, pass.refused);
  return describe(pass);
}

async function readFirst<T>(
  request: PassRequest<T>,
  perPage: number,
): Promise<{ first: SummaryPage<T>; perPage: number; reads: number }> {
  let first = await request.fetchPage(1, perPage);
  let reads = 1;
  if (first.count === 0) {
    first = await request.fetchPage(1, perPage);
    reads++;
  }
  // If the server clamps the page size, ask for the size that it returns. Page numbers then mean the same on both
  // sides.
  const isClamped = perPage !== NO_SIZE && first.count > 0 && mayHoldMore(first);
  return { first, perPage: isClamped ? Math.min(perPage, first.count) : perPage, reads };
}

/** An empty page, or one that repeats an earlier page, may be an error of the server. We believe it the second time. */
async function read<T>(
  pass: OpenPass<T>,
  number: number,
): Promise<{ what: Noted | 'refused'; records: number }> {
  const { ledger } = pass;
  let before: Noted | null = null;
  for (let turn = 1; ; turn++) {
    const page = await fetchTwice(pass, number);
    if (page === null) return { what: 'refused', records: 0 };
    const what = await take(pass, number, page);
    const isCertain = what === 'new' || what === before || turn === 3;
    // A page that is the whole account may be large. It is not read a third time if the total says that nothing else
    // follows.
    const isWhole = what === 'repeat' && ledger.distinctPages() === 1 && (await isCovered(pass));
    if (isCertain || isWhole) {
      if (number === 2 && what === 'repeat') pass.isPageIgnored = true;
      if (what === 'empty') pass.emptyFrom = Math.min(pass.emptyFrom, number);
      return { what, records: page.count };
    }
    before = what;
  }
}

/** Reads the pages that the totals promise. Returns whether the end was found among them. */
async function readPromised<T>(pass: OpenPass<T>): Promise<boolean> {
  const { expectedPages: expected, request, size } = pass;
  if (expected === null) return false;
  const limit = pLimit(request.concurrency);
  const endsAt = () => Math.min(pass.emptyFrom, pass.refused?.number ?? Number.POSITIVE_INFINITY);
  // Page 2 is first: if it equals page 1, the others need not be asked for.
  for (const numbers of [range(2, Math.min(2, expected)), range(3, expected)]) {
    // A page keeps its place in the limit until it is accepted. So pages do not pile up if they arrive faster than they
    // are accepted.
    await allOrFirstError(limit, numbers, async (number) => {
      // A total may promise far too much.
      if (number <= endsAt()) await read(pass, number);
    });
    if (pass.isPageIgnored) await proveEnd(pass, size);
    if (pass.isPageIgnored || endsAt() <= expected) return true;
  }
  return false;
}

/** One at a time, until the end is proven. Throws PAGING_ENDLESS and PAGING_UNUSABLE. */
async function readBeyond<T>(pass: OpenPass<T>, from: number): Promise<void> {
  const { request, size, expectedPages: expected } = pass;
  const cap = pageCap(expected);
  let metAtLastCheck = -1;
  for (let number = from; ; number++) {
    if (number > cap) throw pagingEndless(cap);
    const before = expected === null ? null : await request.countMet();
    const { what, records } = await read(pass, number);
    if (what === 'empty' || what === 'refused') return;
    if (what === 'repeat') return proveEnd(pass, records);
    if (before !== null) {
      // This page is beyond the promised end. If all of its users were met already, they have only moved.
      if ((await request.countMet()) === before) return;
    } else if (isPowerOfTwo(number)) {
      // Without totals, a server that shuffles the same users endlessly brings no new user. We check at growing
      // intervals, because a few pages without a new user prove nothing.
      const met = await request.countMet();
      if (met === metAtLastCheck) throw pagingUnusable(size, null, met);
      metAtLastCheck = met;
    }
  }
}

/**
 * Whether there is a total, and at least that number of records or users was read. Records also count, because a record
 * without a readable user is missing from the users met.
 */
async function isCovered<T>({ request, ledger }: OpenPass<T>): Promise<boolean> {
  const total = ledger.totals().at(-1);
  if (total === undefined) return false;
  return ledger.counts().records >= total || (await request.countMet()) >= total;
}

/**
 * Whether the totals say that nothing else follows. Without totals: whether the number of records shows that the page
 * was not cut off.
 */
async function isAll<T>(pass: OpenPass<T>, records: number): Promise<boolean> {
  const { ledger, first, askedPerPage } = pass;
  if (ledger.totals().length > 0) return isCovered(pass);
  if (first.info.total_pages !== undefined) return ledger.distinctPages() >= first.info.total_pages;
  return !isFullPage(records, askedPerPage, first.info.per_page);
}

/** A full page that repeats an earlier page is not an end, unless everything has been read. Throws PAGING_UNUSABLE. */
async function proveEnd<T>(pass: OpenPass<T>, records: number): Promise<void> {
  const { size, ledger, request } = pass;
  if (records < size || (await isAll(pass, records))) return;
  throw pagingUnusable(size, ledger.totals().at(-1) ?? null, await request.countMet());
}

async function describe<T>(pass: OpenPass<T>): Promise<Pass> {
  const { request, ledger, size } = pass;
  const { pages, records, repeatedPages } = ledger.counts();
  const totals = ledger.totals();
  const asked = request.perPage === 'auto' ? AUTO_SIZES[0]! : request.perPage;
  const hasSeveral = ledger.distinctPages() > 1;
  return {
    pages,
    repeatedPages,
    totalFirst: totals[0] ?? null,
    totalLast: totals.at(-1) ?? null,
    totalsMoved: new Set(totals).size > 1,
    // Every page after the first was empty or repeated page 1. A short failure of the server looks the same, so other
    // evidence must confirm that page 1 is all. Page 2 may be refused by mistake: then only a total confirms it.
    oneResponse:
      !hasSeveral &&
      !(pass.refused !== null && totals.length === 0) &&
      totals.every((total) => total === records) &&
      (await isAll(pass, size)),
    askedPerPage: pass.askedPerPage,
    paging: {
      page: pass.isPageIgnored ? 'ignored' : hasSeveral ? 'honoured' : 'not_needed',
      per_page: size > asked ? 'ignored' : hasSeveral && size < asked ? 'clamped' : 'honoured',
      asked_per_page: asked,
      page_size: size,
      totals: totals.length > 0,
    },
    refusedEnd: pass.refused === null ? null : (pageRefusal(pass.refused.error)?.code ?? null),
    unknownFields: ledger.unknownFields(),
  };
}

/** Whole numbers from `from` to `to`, both included. */
function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

function isPowerOfTwo(n: number): boolean {
  return (n & (n - 1)) === 0;
}

/**
 * Runs all of them. After the first error, no further one starts. The error is thrown when those under way have ended.
 */
async function allOrFirstError(
  limit: LimitFunction,
  numbers: number[],
  work: (number: number) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const run = async (number: number) => {
    // Checked when its turn arrives: all of them are in the queue before the first one fails.
    if (errors.length === 0) await work(number).catch((error: unknown) => errors.push(error));
  };
  await Promise.all(numbers.map((number) => limit(run, number)));
  if (errors.length > 0) throw errors[0];
}
