// Reads which accounts the token sees, with the care of a walk: all pages, beyond the expected end, and again until a
// reading proves itself or two agree.
import type { CloudflareClient } from '../cloudflare/client.ts';
import { walkPages } from '../cloudflare/paging/walk-pages.ts';
import type { CountUse } from '../cloudflare/usage.ts';
import type { Pass, PassProgress } from '../cloudflare/paging/pass.ts';
import { isOperatorError, OperatorError } from '../errors.ts';
import type { ListReading } from './reading.ts';

/** The documented limit of this endpoint. */
const PER_PAGE = 50;
const MOST_PASSES = 4;
/** A list of 10,000 accounts takes 200 requests. */
const DEADLINE_MS = 300_000;

type Options = {
  signal: AbortSignal;
  countUse?: CountUse;
  deadlineMs?: number;
  onPage?: (progress: Pick<PassProgress, 'pages' | 'expected'>) => void;
};
type Common = { signal: AbortSignal; countUse: CountUse; onPage: NonNullable<Options['onPage']> };

/** Rejects only if `signal` is aborted, or for a defect. */
export async function readTokenList(
  client: Pick<CloudflareClient, 'accountPage'>,
  { signal, countUse = () => undefined, deadlineMs = DEADLINE_MS, onPage = () => undefined }: Options,
): Promise<ListReading> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(tooSlow(deadlineMs)), deadlineMs);
  const seen = new Set<string>();
  try {
    const stopped = AbortSignal.any([signal, deadline.signal]);
    return await readTwice(client, { signal: stopped, countUse, onPage }, seen);
  } catch (error) {
    if (signal.aborted || !isOperatorError(error)) throw error;
    return { ids: [...seen], isComplete: false, problem: explained(error) };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * For a command that works once. Without `onProblem`, it throws if the list cannot be trusted. With it, it throws only
 * if no account was read.
 */
export async function listedAccounts(
  client: Pick<CloudflareClient, 'accountPage'>,
  options: Pick<Options, 'signal' | 'onPage'>,
  onProblem?: (problem: OperatorError) => void,
): Promise<readonly string[]> {
  const { ids, problem } = await readTokenList(client, options);
  if (problem === null) return ids;
  if (onProblem === undefined || ids.length === 0) throw problem;
  onProblem(problem);
  return ids;
}

async function readTwice(
  client: Pick<CloudflareClient, 'accountPage'>,
  common: Common,
  seen: Set<string>,
): Promise<ListReading> {
  let before: ReadonlySet<string> | null = null;
  let why = '';
  for (let pass = 1; pass <= MOST_PASSES; pass++) {
    const facts = await readOnce(client, common, seen);
    why = doubtOf(facts, before);
    if (why === '') {
      const ids = [...facts.met];
      return ids.length === 0
        ? { ids, isComplete: false, problem: noneListed() }
        : { ids, isComplete: true, problem: null };
    }
    before = facts.met;
  }
  return { ids: [...seen], isComplete: false, problem: incomplete(why) };
}

export type ListFacts = Pick<Pass, 'totalLast' | 'totalsMoved' | 'oneResponse'> & {
  met: ReadonlySet<string>;
  /** Accounts on all pages, repeated pages not included. */
  records: number;
  /** How many of these have no usable id. */
  unusable: number;
};

async function readOnce(
  client: Pick<CloudflareClient, 'accountPage'>,
  common: Common,
  seen: Set<string>,
): Promise<ListFacts> {
  const { signal, countUse, onPage } = common;
  const met = new Set<string>();
  let records = 0;
  let unusable = 0;
  const pass = await walkPages<(string | null)[]>({
    fetchPage: (page, perPage) => client.accountPage({ page, perPage, signal, countUse }),
    onPage,
    accept(_, ids, isRepeat) {
      for (const id of ids) if (id !== null) seen.add(id);
      if (isRepeat) return;
      for (const id of ids) if (id !== null) met.add(id);
      records += ids.length;
      unusable += ids.filter((id) => id === null).length;
    },
    restart() {
      met.clear();
      records = 0;
      unusable = 0;
    },
    countMet: () => met.size,
    perPage: 'auto',
    firstSize: PER_PAGE,
    concurrency: 4,
  });
  return { ...pass, met, records, unusable };
}

/**
 * Why a reading does not prove that it is the whole list. Empty if it does. It does if nothing moved while it was read,
 * or if it returned the same accounts as the reading before. A stated total that is not met outweighs both. Pure.
 */
export function doubtOf(facts: ListFacts, before: ReadonlySet<string> | null): string {
  const { met, records, unusable, totalLast: total } = facts;
  if (unusable > 0) return `${unusable} of its accounts have no id that can be used`;
  if (total !== null && met.size < total) return `it states ${total} accounts, and shows ${met.size}`;
  const isSame = before !== null && before.size === met.size && met.isSubsetOf(before);
  if (isSame) return '';
  if (records > met.size) return 'accounts came twice, so it moved while it was read';
  if (facts.totalsMoved) return 'its total changed while it was read';
  if (total === null && !facts.oneResponse) return 'it states no total';
  return total !== null && total !== met.size ? `it states ${total} accounts, and shows ${met.size}` : '';
}

/** Errors of the paging speak of users. */
function explained(error: OperatorError): OperatorError {
  return /^PAG(?:ING|E)_/.test(error.code)
    ? incomplete(`its end was not found: ${error.code}`, error.cause)
    : error;
}

function incomplete(why: string, cause?: unknown): OperatorError {
  return new OperatorError({
    code: 'ACCOUNTS_INCOMPLETE',
    happened: `The list of accounts that the token sees cannot be trusted: ${why}`,
    means: 'Accounts that it shows are synced. Those that it does not show are not dropped',
    todo: 'Wait for the next reading; if the error stays, list the ids in CLOUDFLARE_ACCOUNT_ID_FILE, and report the message to the project',
    cause,
  });
}

function noneListed(): OperatorError {
  return new OperatorError({
    code: 'ACCOUNTS_NOT_LISTED',
    happened: 'The list of accounts that the token sees is empty',
    means: 'It is not known which accounts to sync. Accounts that were known before are not dropped',
    todo: 'Check which accounts the token was made for, and give it the permission Account Settings: Read there, or list the ids in CLOUDFLARE_ACCOUNT_ID or CLOUDFLARE_ACCOUNT_ID_FILE',
  });
}

function tooSlow(ms: number): OperatorError {
  return new OperatorError({
    code: 'TIME_BUDGET',
    happened: `The list of accounts could not be read within ${ms / 1000} seconds`,
    means: 'Accounts that were known before are not dropped',
    todo: 'Nothing, unless it happens often: the request limit may be used up, see the metric zt_risk_sync_rate_budget_left',
  });
}
