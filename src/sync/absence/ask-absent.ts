// Looks up the present users that the walk did not meet, one by one, between walk and publish. Decides nothing: it
// returns what their own records said, and whether the answers can be trusted.
import pLimit from 'p-limit';
import type { CloudflareClient } from '../../cloudflare/client.ts';
import type { CountUse } from '../../cloudflare/usage.ts';
import { formatInstant } from '../../db/postgres-instant.ts';
import { isOperatorError, type ErrorCode, type OperatorError } from '../../errors.ts';
import type { Lookups } from '../../evidence.ts';
import type { PiiPolicy } from '../../pii-policy.ts';
import type { Logger } from '../../logger.ts';
import { readOutcome, type Confirmation, type HeldIdentity, type LookupAnswer } from './absence.ts';
import type { Lease } from '../claim/lease.ts';
import type { MissingUser } from './missing-users.ts';
import type { UserTable } from '../state/user-table.ts';
import type { KnownUser } from '../walk/compare-records.ts';

export type Answers = {
  confirmation: Confirmation;
  /** By row of the user table. */
  byRow: ReadonlyMap<number, LookupAnswer>;
  /** Kept with the run. Null if no user was missing. Only counts. */
  evidence: Lookups | null;
};

/**
 * If a user's record still shows a level after this number of complete walks without the user (this walk included),
 * warn.
 */
const INSISTING_WALKS = 5;
// Lookups between two controls. If an endpoint breaks down, at most this number of lookups is lost. Controls add half a
// percent more requests.
const ROUND = 200;
// A failed lookup is retried for half a minute, so records that always fail must not fill the run. The next run goes
// on.
const FAILED_ROUNDS = 3;
/**
 * The share of the remaining time that is kept for the control after the last lookup. Without that control, the lookups
 * prove nothing.
 */
const RESERVE = { ms: 30_000, share: 1 / 4 };

export type AskRequest = {
  lease: Pick<Lease, 'accountId'>;
  table: Pick<UserTable, 'userId' | 'lastEvent'>;
  /** In the order in which the users are asked. */
  missing: readonly MissingUser[];
  /**
   * The controls: users who were met, the newest first. There are several, because a user may be reset after the walk
   * met them.
   */
  lastMet: readonly KnownUser[];
  settings: {
    confirm: 'lookup' | 'walks';
    confirmLookups: number;
    concurrency: number;
    /** Records are compared with what is kept of emails and names. */
    pii: Pick<PiiPolicy, 'keep' | 'canCompare'>;
  };
  /** Whether a record has no readable user. If so, nobody is cleared, and lookups are of no use. */
  unreadable: boolean;
  isComplete: boolean;
  /**
   * A person has accepted that most users are gone. This lifts the budget, so that one run can ask about all of them.
   */
  acceptMassClear: boolean;
  signal: AbortSignal;
  /** Whether an abort ends only the lookups (the time budget), and not the run. */
  endsAsking: (reason: unknown) => boolean;
  /** Milliseconds until that abort. */
  timeLeft: () => number;
  /** The current time in ms since 1970. A reset that is later than this proves nothing. */
  now: () => number;
  countUse: CountUse;
};

export type AbsenceDeps = {
  client: Pick<CloudflareClient, 'lookUpUser'>;
  logger: Logger;
  /** Email and name as the history holds them, by row. Fetched for one round of users at a time. */
  readIdentities: (users: readonly MissingUser[]) => Promise<ReadonlyMap<number, HeldIdentity>>;
};

export async function askAbsent(deps: AbsenceDeps, request: AskRequest): Promise<Answers> {
  const { settings } = request;
  const missing = request.missing.length;
  if (missing === 0) return { confirmation: 'asked', byRow: new Map(), evidence: null };
  if (settings.confirm === 'walks') return nobodyAsked('off', 'walks', missing);
  if (request.unreadable) return nobodyAsked('unanswered', 'later', missing);
  // We no longer know the real ids of erased people.
  const askable = request.missing.filter(({ erasure }) => erasure === undefined);
  if (askable.length === 0)
    return { confirmation: 'asked', byRow: new Map(), evidence: countAnswers(missing, 0, new Map()) };
  const askControl = () => control(createAsker(deps.client, request, request.signal), request.lastMet);
  const before = await askControl();
  if (before !== 'passed') return nobodyAsked(before, before === 'unanswered' ? 'later' : 'walks', missing);

  const users = askable.slice(0, request.acceptMassClear ? missing : settings.confirmLookups);
  const { asked, kept, after } = await askUsers(deps, request, users, askControl);
  if (after !== 'passed')
    deps.logger.warn(
      { control: after },
      'lookups stopped answering, answers since the last control are not believed',
    );
  const evidence = countAnswers(missing, asked, kept);
  if (users.length > 0 && kept.size === 0)
    return { confirmation: 'later', byRow: new Map(), evidence: { ...evidence, state: 'unanswered' } };
  const insisting = countInsisting(users, kept, request.isComplete);
  if (insisting > 0) {
    deps.logger.warn(
      { users: insisting, complete_walks: INSISTING_WALKS },
      'records of users insist on a level, but complete walks did not meet these users',
    );
  }
  return { confirmation: 'asked', byRow: kept, evidence: { ...evidence, insisting } };
}

function nobodyAsked(state: Lookups['state'], confirmation: Confirmation, missing: number): Answers {
  return { confirmation, byRow: new Map(), evidence: { ...countAnswers(missing, 0, new Map()), state } };
}

async function askUsers(
  deps: AbsenceDeps,
  request: AskRequest,
  users: readonly MissingUser[],
  askControl: () => Promise<Control>,
): ReturnType<typeof askInRounds> {
  const { table, settings } = request;
  const questions = startQuestions(request);
  const ask = createAsker(deps.client, request, questions.signal);
  const askSome = async (round: readonly MissingUser[]) => {
    const identities = await deps.readIdentities(round);
    const askMissing = ({ row }: MissingUser) =>
      ask({
        userId: table.userId(row),
        lastEvent: formatInstant(table.lastEvent(row)),
        ...(identities.get(row) as HeldIdentity),
      });
    return askRound(askMissing, round, settings.concurrency);
  };
  try {
    return await askInRounds(askSome, askControl, users);
  } finally {
    questions.end();
  }
}

function countAnswers(missing: number, asked: number, kept: ReadonlyMap<number, LookupAnswer>): Lookups {
  const outcomes = { level: 0, no_level: 0, reset: 0, not_found: 0, unreadable: 0 };
  for (const { outcome } of kept.values()) outcomes[outcome]++;
  return { state: 'working', missing, asked, waiting: missing - kept.size, ...outcomes, insisting: 0 };
}

/** How many users have a record that shows a level, although that many complete walks did not meet them. */
function countInsisting(
  users: readonly MissingUser[],
  kept: ReadonlyMap<number, LookupAnswer>,
  isComplete: boolean,
): number {
  const walks = isComplete ? 1 : 0;
  return users.filter(
    (user) => kept.get(user.row)?.outcome === 'level' && user.completeWalks + walks >= INSISTING_WALKS,
  ).length;
}

/** Aborts with the run, or earlier, so that one more control fits into the remaining time. */
function startQuestions({ signal, timeLeft }: AskRequest): { signal: AbortSignal; end(): void } {
  const enough = new AbortController();
  const left = Math.max(0, timeLeft());
  const timer = setTimeout(() => enough.abort(), left - Math.min(RESERVE.ms, left * RESERVE.share));
  return { signal: AbortSignal.any([signal, enough.signal]), end: () => clearTimeout(timer) };
}

/**
 * Errors for an answer that is not a record. An outage page with status 200 looks the same. docs/decisions.md says why
 * we do not count it as an outage here.
 */
const NO_RECORD: ReadonlySet<ErrorCode> = new Set(['BAD_ANSWER', 'BODY_TOO_LARGE', 'REDIRECTED']);

/**
 * refused: the API does not allow the lookup. unreadable: the answer is not a record. unanswered: no answer arrived, or
 * the API could not answer. Each of these may concern only this user, or all users. ended: there was no time to wait
 * for the answer.
 */
type RecordReply = LookupAnswer | 'refused' | 'unreadable' | 'unanswered' | 'ended';
type AskUser = (user: KnownUser) => Promise<RecordReply>;
type AskMissing = (user: MissingUser) => Promise<RecordReply>;

function createAsker(
  client: Pick<CloudflareClient, 'lookUpUser'>,
  request: AskRequest,
  signal: AbortSignal,
): AskUser {
  const { lease, countUse, now, settings } = request;
  return async ({ userId, ...held }) => {
    try {
      const record = await client.lookUpUser({ accountId: lease.accountId, userId, signal, countUse });
      return readOutcome(record === null ? null : settings.pii.keep(record), held, now());
    } catch (error) {
      const stop = request.signal;
      if (stop.aborted && !request.endsAsking(stop.reason)) throw stop.reason;
      if (signal.aborted) return 'ended';
      if (!isOperatorError(error)) throw error;
      if (error.code === 'LOOKUPS_REFUSED') return 'refused';
      return isNoRecord(error) ? 'unreadable' : 'unanswered';
    }
  };
}

/** Whether the answer to a lookup was not a record. */
export const isNoRecord = ({ code }: OperatorError): boolean => NO_RECORD.has(code);

const isLevel = (answer: RecordReply): boolean => typeof answer !== 'string' && answer.outcome === 'level';

type Control = 'passed' | 'refused' | 'control_failed' | 'unanswered';

/**
 * Users who were met must have a level: otherwise a missing level means nothing. One refused or broken record proves
 * nothing about the API, so we ask the next user. An outage does not count as a refusal. Answers that are not records
 * count as a failure, because they may never change.
 */
async function control(ask: AskUser, users: readonly KnownUser[]): Promise<Control> {
  const answers = new Set<RecordReply>();
  for (const user of users) {
    const answer = await ask(user);
    if (isLevel(answer)) return 'passed';
    if (answer === 'ended') return 'unanswered';
    answers.add(answer);
  }
  if (answers.has('unanswered')) return 'unanswered';
  return answers.has('refused') ? 'refused' : 'control_failed';
}

/**
 * Asks in rounds. Each round ends with a control, unless every record in the round still shows a level. A lookup
 * without an answer ends the round early. If the control then passes, only that user's record failed, and the next
 * round begins. If the control fails, we ask no more users, and keep only the levels of the round, which clear nobody.
 * After a few rounds with a failed lookup, the asking ends. Users who were asked are last in the next run.
 */
async function askInRounds(
  askSome: (round: readonly MissingUser[]) => Promise<Map<number, RecordReply>>,
  askControl: () => Promise<Control>,
  users: readonly MissingUser[],
): Promise<{ asked: number; kept: Map<number, LookupAnswer>; after: Control }> {
  const kept = new Map<number, LookupAnswer>();
  let asked = 0;
  let failedRounds = 0;
  while (asked < users.length && failedRounds < FAILED_ROUNDS) {
    const round = await askSome(users.slice(asked, asked + ROUND));
    asked += round.size;
    const answers = [...round].filter(([, answer]) => answer !== 'ended');
    const after = answers.every(([, answer]) => isLevel(answer)) ? 'passed' : await askControl();
    for (const [row, answer] of answers)
      if (after === 'passed' || isLevel(answer)) kept.set(row, answerOf(answer));
    if (after !== 'passed' || answers.length < round.size) return { asked, kept, after };
    if (answers.some(([, answer]) => typeof answer === 'string')) failedRounds++;
  }
  return { asked, kept, after: 'passed' };
}

const answerOf = (answer: RecordReply): LookupAnswer =>
  typeof answer === 'string' ? { outcome: 'unreadable', lastResetTime: null } : answer;

/**
 * The answers about the first users: all of them, or up to the first user without an answer, with those asked at the
 * same time.
 */
async function askRound(
  ask: AskMissing,
  users: readonly MissingUser[],
  concurrency: number,
): Promise<Map<number, RecordReply>> {
  const answers = new Map<number, RecordReply>();
  const limit = pLimit(concurrency);
  let stopped = false;
  const askOne = async (user: MissingUser) => {
    if (stopped) return;
    const answer = await ask(user);
    answers.set(user.row, answer);
    stopped ||= typeof answer === 'string';
  };
  const results = await Promise.allSettled(users.map((user) => limit(askOne, user)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return answers;
}
