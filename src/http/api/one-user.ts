// GET /users/{user_id} and below it: the state of one user in each account, and what happened over time.
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { knownUsers, noSuchUser, type UserInAccount } from '../../answers/people/one-user.ts';
import { inWords, type TimelineEvent } from '../../answers/user-timeline.ts';
import type { Scope } from '../../answers/scope.ts';
import type { Db } from '../../db/handle.ts';
import { answerTo } from '../../queries/question.ts';
import { activityOfUser } from '../../queries/users/user-activity.ts';
import { userPeriods } from '../../queries/users/user-periods.ts';
import { usersWithId } from '../../queries/users/user-page.ts';
import { minute } from '../../time/when.ts';
import { CHANGES, IDENTITY_FIELDS, RISK_LEVELS } from '../../user-risk.ts';
import type { Caller } from '../auth.ts';
import type { Reader } from '../read-as.ts';
import { listRoute } from './list-route.ts';
import { About, Spanned } from './parameters.ts';
import { UserAsRow } from './users.ts';

const Param = z.object({
  user_id: z.guid().openapi({ param: { name: 'user_id', in: 'path' }, description: 'The whole user id.' }),
});
const Level = z.enum(RISK_LEVELS);

const HistoryEvent = z
  .object({
    account_id: z.string(),
    user_id: z.guid(),
    changed_at: z.string(),
    change: z.enum([...CHANGES, 'renamed']),
    from_level: Level.nullable(),
    to_level: Level.nullable(),
    reason: z
      .enum(['reset', 'no_level', 'not_found', 'own_record', 'walks'])
      .nullable()
      .openapi({ description: 'Why the user was cleared.' }),
    absent_since: z.string().nullable(),
    last_reset_time: z.string().nullable(),
    complete_walks: z.int().nullable(),
    partial_walks: z.int().nullable(),
    away_seconds: z.number().nullable(),
    is_baseline: z.boolean().nullable(),
    snapshot_id: z.int().nullable(),
    run_id: z.int().nullable(),
    words: z.string().openapi({ description: 'The same in words, with times in the time zone of tz.' }),
  })
  .openapi('HistoryEvent');
type HistoryEvent = z.infer<typeof HistoryEvent>;

const Period = z
  .object({
    account_id: z.string(),
    user_id: z.guid(),
    valid_from: z.string(),
    valid_to: z.string().nullable(),
    max_risk_level: Level,
    previous_level: Level.nullable(),
    change: z.enum(CHANGES),
    end_reason: z.enum(['changed', 'reset', 'absent']).nullable(),
    duration_seconds: z.number(),
    is_baseline: z.boolean().nullable(),
  })
  .openapi('Period');

const Activity = z
  .object({
    account_id: z.string(),
    user_id: z.guid(),
    observed_at: z.string(),
    event_count: z.int(),
    last_event: z.string(),
  })
  .openapi('Activity');

const ABOUT_SPAN = 'Usually of the last 90 days; from and to choose another span.';

export function oneUserRoutes(api: OpenAPIHono<Caller>, reader: Reader): void {
  listRoute(api, reader, {
    path: '/users/{user_id}',
    name: 'users',
    summary: 'One user as they are now, in each account',
    description: 'One row for each account that knows the user.',
    query: About,
    params: Param,
    row: UserAsRow,
    hasNames: true,
    ask: async (db, scope, { params }) => {
      const ids = (await known(db, scope, params.user_id)).map(({ accountId }) => accountId);
      return { rows: await answerTo(db, usersWithId(ids, params.user_id)) };
    },
  });
  listRoute(api, reader, {
    path: '/users/{user_id}/history',
    name: 'events',
    summary: 'What happened to one user, the newest first',
    description: `Levels, clearings and why, returns and renames, in each account. ${ABOUT_SPAN}`,
    query: Spanned,
    params: Param,
    row: HistoryEvent,
    parts: ['levels', 'identities'],
    usual: '90d',
    ask: async (db, scope, { params }) => ({ rows: eventsOf(await known(db, scope, params.user_id), scope) }),
  });
  listRoute(api, reader, {
    path: '/users/{user_id}/levels',
    name: 'periods',
    summary: 'The periods of one user at each level',
    description: `Periods that touch the span, the oldest first, in each account. ${ABOUT_SPAN}`,
    query: Spanned,
    params: Param,
    row: Period,
    parts: ['levels'],
    usual: '90d',
    ask: async (db, scope, { params }) => {
      const ids = (await known(db, scope, params.user_id)).map(({ accountId }) => accountId);
      return { rows: await answerTo(db, userPeriods(ids, params.user_id, scope.span)) };
    },
  });
  listRoute(api, reader, {
    path: '/users/{user_id}/activity',
    name: 'activity',
    summary: 'The number of risk events of one user over time',
    description: `A row for each change of the counters, the oldest first, in each account. ${ABOUT_SPAN}`,
    query: Spanned,
    params: Param,
    row: Activity,
    parts: ['activity'],
    usual: '90d',
    ask: async (db, scope, { params }) => {
      const ids = (await known(db, scope, params.user_id)).map(({ accountId }) => accountId);
      return { rows: await answerTo(db, activityOfUser(ids, params.user_id, scope.span)) };
    },
  });
}

/** Throws USER_NOT_FOUND. */
async function known(db: Db, scope: Scope, userId: string): Promise<UserInAccount[]> {
  const users = await knownUsers(db, scope, userId, false);
  if (users.length === 0) throw noSuchUser(userId, scope.chosen !== null);
  return users;
}

function eventsOf(users: readonly UserInAccount[], { span, timezone }: Scope): HistoryEvent[] {
  const isIn = ({ changed_at }: TimelineEvent) => {
    const at = Date.parse(changed_at);
    return at >= span.from.getTime() && at <= span.to.getTime();
  };
  return users
    .flatMap(({ accountId, user, events }) =>
      events.filter(isIn).map((event) => rowOf(accountId, user.user_id, event, timezone)),
    )
    .toSorted((a, b) => b.changed_at.localeCompare(a.changed_at));
}

const REVEALING: ReadonlySet<string> = new Set<keyof TimelineEvent>([...IDENTITY_FIELDS, 'renamed']);

/** Leaves out what a rename would reveal. */
function rowOf(account_id: string, user_id: string, event: TimelineEvent, timezone: string): HistoryEvent {
  const row = Object.fromEntries(Object.entries(event).filter(([name]) => !REVEALING.has(name)));
  const words = inWords(event, (at) => minute(at, timezone));
  return { account_id, user_id, ...row, words } as HistoryEvent;
}
