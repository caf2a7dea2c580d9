// Asks about the present users that the walk did not meet, one by one, between walk and publish. Decides nothing: it brings
// back what their own records said, and whether that may be believed.
import pLimit from 'p-limit';
import type { ClientUsage, CloudflareClient } from '../cloudflare/client.ts';
import type { Pool } from '../db/pool.ts';
import { isOperatorError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { readOutcome, type Confirmation, type LookupAnswer, type LookupOutcome } from './absence.ts';
import type { Lease } from './lease.ts';
import { countMissing, listLastMet, listMissing, type KnownUser, type MissingUser } from './missing-users.ts';

export type Answers = {
  confirmation: Confirmation;
  byUser: ReadonlyMap<string, LookupAnswer>;
  /** Kept with the run; null when nobody was missing. Counts only. */
  evidence: LookupEvidence | null;
};

export type LookupEvidence = Record<LookupOutcome, number> & {
  /** off: not to be asked. refused, control_failed: two walks decide. unanswered: the next run asks. */
  state: 'working' | 'off' | 'refused' | 'control_failed' | 'unanswered';
  missing: number;
  asked: number;
  /** Without an answer: beyond the budget, or not reached. */
  waiting: number;
  /** Answers that were no record. */
  unreadable: number;
  /** Users whose record insists on a level through complete walks that lack them. */
  insisting: number;
};

/** So many complete walks that lack a user, this one included, while the record insists on a level, are worth a warning. */
const INSISTING_WALKS = 5;
// A user who was met may be reset by the time that their record is asked.
const CONTROLS = 3;
// One by one they may be slips; after so many it is the API.
const MAX_UNREADABLE = 3;

export type AskRequest = {
  lease: Lease;
  settings: { confirm: 'lookup' | 'walks'; confirmLookups: number; concurrency: number };
  /** Whether there is a record whose user cannot be read: nobody is cleared then, and asking is of no use. */
  unreadable: boolean;
  isComplete: boolean;
  /** A person has said that most are gone: the budget is lifted, so that one run can settle it. */
  acceptMassClear: boolean;
  signal: AbortSignal;
  /** Whether an abort only ends the asking (the time budget), and not the run. */
  endsAsking: (reason: unknown) => boolean;
  usage: ClientUsage;
};

export async function askAbsent(
  deps: { pool: Pool; client: Pick<CloudflareClient, 'lookUpUser'>; logger: Logger },
  request: AskRequest,
): Promise<Answers> {
  const { lease, settings } = request;
  const missing = await countMissing(deps.pool, lease);
  const evidence: LookupEvidence = {
    state: 'working',
    missing,
    asked: 0,
    waiting: missing,
    level: 0,
    no_level: 0,
    reset: 0,
    not_found: 0,
    unreadable: 0,
    insisting: 0,
  };
  const end = (
    state: LookupEvidence['state'],
    confirmation: Confirmation,
    byUser: Answers['byUser'] = new Map<string, LookupAnswer>(),
  ): Answers => ({ confirmation, byUser, evidence: { ...evidence, state } });

  if (missing === 0) return { confirmation: 'asked', byUser: new Map(), evidence: null };
  if (settings.confirm === 'walks') return end('off', 'walks');
  if (request.unreadable) return end('unanswered', 'later');
  const asker = createAsker(deps.client, request);
  const metUsers = await listLastMet(deps.pool, lease, CONTROLS);
  const before = await control(asker, metUsers);
  if (before !== 'passed') return end(before, before === 'unanswered' ? 'later' : 'walks');

  const budget = request.acceptMassClear ? missing : settings.confirmLookups;
  const users = await listMissing(deps.pool, lease, budget);
  const answers = await askAll(asker, users, settings.concurrency, evidence);
  // Once more: an endpoint that broke down meanwhile would have shown nobody's level.
  const after = answers.size === evidence.level ? 'passed' : await control(asker, metUsers);
  if (after !== 'passed') {
    deps.logger.warn({ control: after }, 'lookups stopped answering, what they said is not believed');
    return end('unanswered', 'later');
  }
  evidence.waiting = missing - answers.size;
  const walks = request.isComplete ? 1 : 0;
  evidence.insisting = users.filter(
    (user) => answers.get(user.userId)?.outcome === 'level' && user.completeWalks + walks >= INSISTING_WALKS,
  ).length;
  if (evidence.insisting > 0) {
    deps.logger.warn(
      { users: evidence.insisting, complete_walks: INSISTING_WALKS },
      'records of users insist on a level, and complete walks lack them',
    );
  }
  return end('working', 'asked', answers);
}

type Asked = LookupAnswer | 'refused' | 'unreadable' | 'unanswered';
type Asker = (user: KnownUser) => Promise<Asked>;

function createAsker(client: Pick<CloudflareClient, 'lookUpUser'>, request: AskRequest): Asker {
  const { lease, signal, usage } = request;
  return async ({ userId, lastEvent }) => {
    try {
      const record = await client.lookUpUser({ accountId: lease.accountId, userId, signal, usage });
      return readOutcome(record, lastEvent);
    } catch (error) {
      if (signal.aborted && request.endsAsking(signal.reason)) return 'unanswered';
      if (signal.aborted || !isOperatorError(error)) throw error;
      if (error.code === 'LOOKUPS_REFUSED') return 'refused';
      return error.code === 'BAD_ANSWER' ? 'unreadable' : 'unanswered';
    }
  };
}

/** Users who were met must have a level: otherwise the absence of one means nothing. */
async function control(
  ask: Asker,
  users: readonly KnownUser[],
): Promise<'passed' | 'refused' | 'control_failed' | 'unanswered'> {
  for (const user of users) {
    const answer = await ask(user);
    if (answer === 'refused' || answer === 'unanswered') return answer;
    if (answer !== 'unreadable' && answer.outcome === 'level') return 'passed';
  }
  return 'control_failed';
}

/** Stops at the first that is refused or not answered: the API is unwell, and the others wait for the next run. */
async function askAll(
  ask: Asker,
  users: readonly MissingUser[],
  concurrency: number,
  evidence: LookupEvidence,
): Promise<Map<string, LookupAnswer>> {
  const answers = new Map<string, LookupAnswer>();
  const limit = pLimit(concurrency);
  let stopped = false;
  const askOne = async (user: MissingUser) => {
    if (stopped) return;
    evidence.asked++;
    const answer = await ask(user);
    if (answer === 'unreadable') stopped ||= ++evidence.unreadable >= MAX_UNREADABLE;
    else if (typeof answer === 'string') stopped = true;
    else {
      answers.set(user.userId, answer);
      evidence[answer.outcome]++;
    }
  };
  const results = await Promise.allSettled(users.map((user) => limit(askOne, user)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return answers;
}
