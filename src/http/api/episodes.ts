// GET /episodes: periods at high.
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { idsOf } from '../../answers/scope.ts';
import { answerTo } from '../../queries/question.ts';
import { ENDS, episodes, keyOfEpisode } from '../../queries/users/episodes.ts';
import { RISK_LEVELS } from '../../user-risk.ts';
import type { Caller } from '../auth.ts';
import { cut, readCursor } from '../cursor.ts';
import { EpisodeCursor } from './people-cursors.ts';
import type { Reader } from '../read-as.ts';
import { listRoute } from './list-route.ts';
import { choiceOf, Paged, Spanned } from './parameters.ts';
import { rowsAsked } from './rows-asked.ts';

const Row = z
  .object({
    account_id: z.string(),
    account_label: z.string(),
    user_id: z.guid(),
    started_at: z.string(),
    ended_at: z.string().nullable().openapi({ description: 'Null: it lasts.' }),
    change: z.enum(['appeared', 'raised', 'returned']),
    from_level: z.enum(RISK_LEVELS).nullable(),
    ended_by: z
      .enum(['lowered', 'reset', 'absent'])
      .nullable()
      .openapi({ description: 'reset and absent: the user was cleared.' }),
    peak_event_count: z.int().nullable().openapi({
      description:
        'Null: the episode began before the event counts are whole, because older ones were deleted.',
    }),
    duration_seconds: z.number().openapi({ description: 'While it lasts: up to the newest snapshot.' }),
    is_baseline: z
      .boolean()
      .nullable()
      .openapi({ description: 'It began in the first load, and may really have begun earlier.' }),
  })
  .openapi('Episode');

export function episodesRoute(api: OpenAPIHono<Caller>, reader: Reader): void {
  listRoute(api, reader, {
    path: '/episodes',
    name: 'episodes',
    summary: 'Periods at high, the newest first',
    description: 'Those that touch the span, usually the last 90 days.',
    query: z.object({
      ...Spanned.shape,
      ...Paged.shape,
      user_id: z
        .union([z.guid(), z.literal('')])
        .optional()
        .openapi({ description: 'Only of this user.' }),
      end: choiceOf(ENDS, 'Only those that ended so. open: those that last.'),
    }),
    row: Row,
    parts: ['levels'],
    usual: '90d',
    ask: async (db, scope, { query }) => {
      const filter = { userId: query.user_id || null, end: query.end || null };
      const after = readCursor(query.cursor, EpisodeCursor);
      const most = rowsAsked(query);
      const question = episodes(idsOf(scope), scope.span, filter, after, most + 1);
      return cut(await answerTo(db, question), most, keyOfEpisode);
    },
  });
}
