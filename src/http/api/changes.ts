// GET /changes: the feed of level changes. GET /transitions: the number of changes from level to level.
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { changeFilterOf, feedSpan, PLACES } from '../../answers/people/changes-page.ts';
import { idsOf } from '../../answers/scope.ts';
import { changeFeed, keyOfChange } from '../../queries/levels/change-feed.ts';
import { transitions } from '../../queries/levels/transitions.ts';
import { answerTo } from '../../queries/question.ts';
import { CHANGES, RISK_LEVELS } from '../../user-risk.ts';
import type { Caller } from '../auth.ts';
import { cut, readCursor } from '../cursor.ts';
import { ChangeCursor } from './people-cursors.ts';
import type { Reader } from '../read-as.ts';
import { listRoute } from './list-route.ts';
import { PERSON } from './named-rows.ts';
import { choiceOf, Paged, Spanned } from './parameters.ts';
import { rowsAsked } from './rows-asked.ts';

const Level = z.enum(RISK_LEVELS);

const FeedRow = z
  .object({
    changed_at: z.string().openapi({ description: 'Instant of the snapshot that recorded the change.' }),
    change: z.enum(CHANGES),
    account_id: z.string(),
    account_label: z.string(),
    user_id: z.guid(),
    from_level: Level.nullable().openapi({ description: 'Null: the user was not present.' }),
    to_level: Level.nullable().openapi({ description: 'Null: the user was cleared.' }),
    snapshot_id: z.int(),
    ...PERSON,
  })
  .openapi('Change');

const TransitionRow = z
  .object({
    change: z.enum(CHANGES),
    from_level: z.enum(PLACES).openapi({ description: 'none: the user was not present.' }),
    to_level: z.enum(PLACES).openapi({ description: 'none: the user was cleared.' }),
    change_count: z.int(),
  })
  .openapi('Transition');

export function changesRoutes(api: OpenAPIHono<Caller>, reader: Reader): void {
  listRoute(api, reader, {
    path: '/changes',
    name: 'changes',
    summary: 'Level changes, the newest first',
    description: 'The first load of an account is no change. Usually of the last 7 days.',
    query: z.object({
      ...Spanned.shape,
      ...Paged.shape,
      change: choiceOf(CHANGES, 'Only this kind of change.'),
      from_level: choiceOf(PLACES, 'Only changes from this level; none: from not being present.'),
      to_level: choiceOf(PLACES, 'Only changes to this level; none: clearings.'),
    }),
    row: FeedRow,
    hasNames: true,
    parts: ['levels'],
    usual: '7d',
    ask: async (db, scope, { query }) => {
      const filter = changeFilterOf((name) => query[name as 'change']);
      const after = readCursor(query.cursor, ChangeCursor);
      const most = rowsAsked(query);
      const span = await feedSpan(db, scope, { filter, after, most: most + 1 });
      const question = changeFeed(idsOf(scope), span, filter, after, most + 1);
      return cut(await answerTo(db, question), most, keyOfChange);
    },
  });
  listRoute(api, reader, {
    path: '/transitions',
    name: 'transitions',
    summary: 'How many level changes there were, from each level to each other one',
    description: 'A pair that did not occur has no row. Usually of the last 7 days.',
    query: Spanned,
    row: TransitionRow,
    parts: ['levels'],
    usual: '7d',
    ask: async (db, scope) => ({ rows: await answerTo(db, transitions(idsOf(scope), scope.span)) }),
  });
}
