// What a report says about a period: the questions of the pages, asked once for a file that stands alone.
import type { Db } from '../../db/handle.ts';
import type { DeletedSince } from '../../queries/accounts/deleted-since.ts';
import { levelsAt, type LevelsAt } from '../../queries/levels/levels-at.ts';
import { news, type News } from '../../queries/levels/news.ts';
import { transitions, type Transition } from '../../queries/levels/transitions.ts';
import { mayRead } from '../../queries/health/may-read.ts';
import { answerTo } from '../../queries/question.ts';
import { longestEpisodes, type LongEpisode } from '../../queries/response/longest-episodes.ts';
import { coverage, type CoverageDay } from '../../queries/runs/coverage.ts';
import { runTotals, type RunTotals } from '../../queries/runs/run-totals.ts';
import { nameKey, namesOf } from '../../queries/users/names-of.ts';
import { deletedIn } from '../beyond-retention.ts';
import { identitiesDenied } from '../identities-denied.ts';
import { beforeFrom, responseOf, type Response } from '../pages/response.ts';
import { idsOf, type Scope } from '../scope.ts';
import { trendOf, type PlottedTrend } from '../trend-of.ts';
import type { Identity } from '../../user-risk.ts';

/** The number of users that a list names. The counts cover all users. */
export const MOST_LISTED = 25;
const MOST_EPISODES = 10;

export type Report = {
  scope: Scope;
  begin: LevelsAt;
  end: LevelsAt;
  trend: PlottedTrend;
  transitions: Transition[];
  /** The gravest of each kind of change. */
  news: News[];
  longest: LongEpisode[];
  response: Response;
  coverage: CoverageDay[];
  runs: RunTotals;
  /** Parts of the history that are not whole in this period, or in the period before it. */
  deleted: readonly DeletedSince[];
  /** Null: emails and names were not asked for. */
  names: ReadonlyMap<string, Identity> | null;
};

export type ReportAsked = { targetMs: number; identities: boolean };

/** Throws IDENTITIES_DENIED. */
export async function reportOf(db: Db, scope: Scope, { targetMs, identities }: ReportAsked): Promise<Report> {
  if (identities && !(await mayRead(db)).identities)
    throw identitiesDenied('A report can be made without them', 'Leave --identities out');
  const ids = idsOf(scope);
  const { span, timezone } = scope;
  const moments = levelsAt(ids, [
    ['begin', span.from],
    ['end', span.to],
  ]);
  const [begin, end] = (await answerTo(db, moments)) as [LevelsAt, LevelsAt];
  const listed = {
    news: await answerTo(db, news(ids, span.from, MOST_LISTED, span.to)),
    longest: await answerTo(db, longestEpisodes(ids, span, MOST_EPISODES)),
    response: await responseOf(db, scope, { targetMs, after: null, most: MOST_LISTED }),
  };
  const users = [...listed.news, ...listed.longest, ...listed.response.open.rows];
  return {
    scope,
    begin,
    end,
    trend: await trendOf(db, scope),
    transitions: await answerTo(db, transitions(ids, span)),
    ...listed,
    coverage: await answerTo(db, coverage(ids, { ...span, timezone })),
    runs: (await answerTo(db, runTotals(ids, span)))[0]!,
    deleted: [
      ...(await deletedIn(db, scope, ['levels'], beforeFrom(span))),
      ...(await deletedIn(db, scope, ['runs'])),
    ],
    names: identities ? await namesOf(db, users) : null,
  };
}

/** Undefined if emails and names were not asked for, or the user has neither. Pure. */
export function nameIn(
  { names }: Pick<Report, 'names'>,
  user: { account_id: string; user_id: string },
): Identity | undefined {
  return names?.get(nameKey(user));
}

/** The changes of this kind: those that are listed, and how many there are. Pure. */
export function listedOf(
  { news }: Pick<Report, 'news'>,
  change: News['change'],
): { rows: News[]; count: number } {
  const rows = news.filter((row) => row.change === change);
  return { rows, count: rows[0]?.change_count ?? 0 };
}
