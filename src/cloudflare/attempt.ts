// One attempt at a question: sends the request, counts its cost, passes the budgets in the answer to the pacer, and
// judges the answer.
import type { Dispatcher } from 'undici';
import type { BodyLimits } from './body-limits.ts';
import { parseBudgets, tightestBudget } from './pace/budget.ts';
import type { Intake } from './endpoints/summary/summary-intake.ts';
import { exchange, type Answer } from './exchange.ts';
import { AttemptFailure, ExchangeError, type WaitAdvice } from './failures.ts';
import type { Pacer } from './pace/pacing.ts';
import type { Judge, Subject } from './problems/judge.ts';
import { isJsonType, parseJson } from './responses.ts';
import { parseRetryAfter, type Timing } from './retry.ts';
import type { CountUse } from './usage.ts';

export type ApiRequest = {
  path: string;
  accountId: string;
  /** For the log. Lookups have none: we do not log the id of a user. */
  page?: number;
  subject: Subject;
  signal: AbortSignal;
  countUse: CountUse;
};

export type AttemptDeps = {
  dispatcher: Dispatcher;
  origin: string;
  timing: Timing;
  limits: BodyLimits;
  judge: Judge;
  pacer: Pick<Pacer, 'observe'>;
  /** Milliseconds since 1970. */
  wallClock: () => number;
  /** Whether the client is closing: a request that fails then says nothing about the API. */
  isClosed: () => boolean;
  onAnswer: ((answer: Pick<Answer, 'status' | 'header'>) => void) | undefined;
  onNoAnswer: ((why: 'timeout' | 'network') => void) | undefined;
};

/** Throws an AttemptFailure, signal.reason, or what the reader threw. */
export async function attempt<T>(
  deps: AttemptDeps,
  question: ApiRequest,
  headers: Record<string, string>,
  intake: Intake<T>,
): Promise<T> {
  const { judge } = deps;
  const { accountId, subject } = question;
  const { answer, bytes } = await send(deps, question, headers, intake);
  deps.onAnswer?.(answer);
  deps.pacer.observe(budgetsOf(answer));
  const json = answer.body === 'broken' ? undefined : parseJson(answer.text);
  const failure = judge.ofAnswer(answer, json, { accountId, subject });
  if (failure) throw new AttemptFailure(failure.kind, failure.problem, adviceOf(answer, deps.wallClock()));
  const value = isJsonType(answer.header('content-type')) ? await intake.read(json, bytes) : undefined;
  if (value === undefined) throw judge.ofBadAnswer(answer, subject);
  return value;
}

async function send(
  { dispatcher, origin, timing, limits, judge, isClosed, onNoAnswer }: AttemptDeps,
  { path, signal, countUse }: ApiRequest,
  headers: Record<string, string>,
  { openLarge }: Pick<Intake<unknown>, 'openLarge'>,
): Promise<{ answer: Answer; bytes: number }> {
  let bytes = 0;
  const onBytes = (count: number) => {
    bytes += count;
    countUse('bytes', count);
  };
  countUse('requests', 1);
  const { pageMs } = timing;
  try {
    const request = { dispatcher, origin, path, headers, signal, pageMs, limits, openLarge, onBytes };
    return { answer: await exchange(request), bytes };
  } catch (error) {
    if (!(error instanceof ExchangeError) || isClosed()) throw error;
    const failure = judge.ofExchange(error);
    onNoAnswer?.(failure.kind === 'timeout' ? 'timeout' : 'network');
    throw failure;
  }
}

function budgetsOf(answer: Answer) {
  return parseBudgets(answer.header('ratelimit'), answer.header('ratelimit-policy'));
}

function adviceOf(answer: Answer, nowMs: number): WaitAdvice {
  return {
    retryAfterMs: parseRetryAfter(answer.header('retry-after'), answer.header('date'), nowMs),
    resetMs: tightestBudget(budgetsOf(answer))?.resetMs ?? null,
  };
}
