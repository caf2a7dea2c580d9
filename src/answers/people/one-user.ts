// What a user's page says, for each account that knows the user: the state now, levels and events over time, episodes
// at high, and all events in words.
import type { Db } from '../../db/handle.ts';
import { OperatorError } from '../../errors.ts';
import { answerTo, type Answered, type Question } from '../../queries/question.ts';
import { episodes, type Episode } from '../../queries/users/episodes.ts';
import { activityOfUser, type UserActivity } from '../../queries/users/user-activity.ts';
import { userPeriods, type UserPeriod } from '../../queries/users/user-periods.ts';
import { minute } from '../../time/when.ts';
import { duration, plural } from '../../words.ts';
import { idRangeOf } from '../id-range.ts';
import type { Scope } from '../scope.ts';
import { userHistories, type UserHistory } from '../user-history.ts';
import { walksInWords, whyCleared } from '../user-timeline.ts';

/** The number of newest events of each account. */
const MOST_EVENTS = 1_000;
const MOST_EPISODES = 1_000;

/** A history in one account. `newestAt`: the history is known up to this instant. */
export type UserInAccount = UserHistory & { accountId: string; label: string | null; newestAt: Date | null };

export type OneUser = {
  userId: string;
  known: readonly UserInAccount[];
  /** Rows of all these accounts, in the order of account ids. */
  periods: Answered<UserPeriod>;
  activity: Answered<UserActivity>;
  episodes: Answered<Episode>;
};

/** `who`: an id or the beginning of one. Null if no user matches. Throws USER_AMBIGUOUS. */
export async function oneUserOf(
  db: Db,
  scope: Scope,
  who: string,
  identities: boolean,
): Promise<OneUser | null> {
  const known = await knownUsers(db, scope, who, identities);
  const [first] = known;
  if (first === undefined) return null;
  const { user_id: userId } = first.user;
  const ids = known.map(({ accountId }) => accountId);
  const ask = async <Row extends Record<string, unknown>>(question: Question<Row>) => ({
    question,
    rows: await answerTo(db, question),
  });
  return {
    userId,
    known,
    periods: await ask(userPeriods(ids, userId, scope.span)),
    activity: await ask(activityOfUser(ids, userId, scope.span)),
    episodes: await ask(episodes(ids, scope.span, { userId, end: null }, null, MOST_EPISODES)),
  };
}

/** Empty if no account knows the user. Throws USER_AMBIGUOUS. */
export async function knownUsers(
  db: Db,
  { chosen, known }: Scope,
  who: string,
  identities: boolean,
): Promise<UserInAccount[]> {
  if (idRangeOf(who) === null) return [];
  try {
    const account = chosen === null ? [] : [chosen.account_id];
    const histories = await userHistories(db, who, { account, limit: MOST_EVENTS, identities });
    return histories.map((one) => {
      const at = known.find(({ account_id }) => account_id === one.user.account_id);
      return {
        ...one,
        accountId: one.user.account_id,
        label: one.user.label,
        newestAt: at?.newest_at ?? null,
      };
    });
  } catch (error) {
    if (error instanceof OperatorError && error.code === 'USER_NOT_FOUND') return [];
    throw error;
  }
}

/** "At high for 3 days, since 2026-03-01 09:00 UTC. 12 events, the last 2 h ago." Pure. */
export function stateInWords(history: UserHistory, clock: Pick<Scope, 'now' | 'timezone'>): string[] {
  const { erased_at } = history.user;
  const state = stateWords(history, clock);
  if (erased_at === null) return state;
  return [
    ...state,
    `The person was erased at ${minute(erased_at, clock.timezone)}: this id is a random one.`,
  ];
}

function stateWords(
  { user, events, absentWalks }: UserHistory,
  { now, timezone }: Pick<Scope, 'now' | 'timezone'>,
): string[] {
  const age = (at: string) => duration(now.getTime() - Date.parse(at));
  const time = (at: string) => minute(at, timezone);
  const counted = `${plural(user.event_count, 'event')}, the last ${age(user.last_event)} ago.`;
  if (user.max_risk_level !== null && user.level_since !== null) {
    const state = `At ${user.max_risk_level} for ${age(user.level_since)}, since ${time(user.level_since)}.`;
    if (user.absent_since === null) return [state, counted];
    const { complete, partial } = absentWalks ?? { complete: 0, partial: 0 };
    const missed = `Absent since ${time(user.absent_since)}: not met by ${walksInWords(complete, partial)}.`;
    return [state, counted, missed, 'Until the absence is confirmed, the last known state stays.'];
  }
  const cleared = events.findLast(({ change }) => change === 'cleared');
  const why = cleared === undefined ? '' : `: ${whyCleared(cleared, time)}`;
  const at = user.cleared_at ?? user.first_seen_at;
  return [`Cleared ${age(at)} ago, at ${time(at)}${why}.`, `When last met: ${counted}`];
}

/** For programs, which cannot be shown a page with links. */
export function noSuchUser(userId: string, isNarrowed: boolean): OperatorError {
  return new OperatorError({
    code: 'USER_NOT_FOUND',
    happened: `No user with the id ${userId} was ever met${isNarrowed ? ' in this account' : ''}`,
    means: 'There is no history of this user; a user without a risk level is not in the summary',
    todo: 'Look for the user in the list of users, which also finds the beginning of an id',
  });
}
