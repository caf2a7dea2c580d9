// GET /response-times, with its distribution and the users who have been at high for longer than the target.
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { readTarget } from '../../answers/pages/response.ts';
import { idsOf } from '../../answers/scope.ts';
import { openOverTarget, type OpenEpisode } from '../../queries/response/open-over-target.ts';
import { responseDistribution, type DurationStep } from '../../queries/response/response-distribution.ts';
import { responseTimes, type ResponseTime } from '../../queries/response/response-times.ts';
import { answerTo } from '../../queries/question.ts';
import type { Caller } from '../auth.ts';
import { cut, readCursor } from '../cursor.ts';
import type { Reader } from '../read-as.ts';
import { listRoute } from './list-route.ts';
import { Paged, Spanned } from './parameters.ts';
import { rowsAsked } from './rows-asked.ts';

const count = (description: string) => z.int().min(0).openapi({ description });
const seconds = (description: string) => z.number().nullable().openapi({ description });

const Time = z
  .object({
    period: z
      .enum(['this', 'before'])
      .openapi({ description: 'The span, or the one of the same length before it.' }),
    ended_by: z.enum(['any', 'lowered', 'reset', 'absent', 'open']).openapi({
      description: 'any: lowered, reset and absent together. open: still at high at the end of the span.',
    }),
    episode_count: count('Periods at high that ended in the span; for open, that lasted at its end.'),
    median_seconds: seconds('Half of them were no longer.'),
    p90_seconds: seconds('Nine of ten were no longer.'),
    over_target_count: count('Of them, longer than the target.'),
    left_out_count: count(
      'Not in the figures: they began in a first load, so they may be longer than is known.',
    ),
    left_out_over_target_count: count('Of those that are left out, longer than the target even so.'),
  })
  .openapi('ResponseTime') satisfies z.ZodType<ResponseTime>;

const Step = z
  .object({
    at_least_seconds: z.number(),
    below_seconds: seconds('Not included; null: without end.'),
    lowered: count('Periods of this length that ended with a lower level.'),
    reset: count('That an administrator ended.'),
    absent: count('That ended because the user was no longer listed.'),
  })
  .openapi('ResponseTimeStep') satisfies z.ZodType<DurationStep>;

const Open = z
  .object({
    account_id: z.string(),
    account_label: z.string(),
    user_id: z.string(),
    started_at: z.iso.datetime(),
    duration_seconds: z.number().openapi({ description: 'Up to the newest snapshot of the span.' }),
    over_seconds: z.number().openapi({ description: 'Beyond the target.' }),
    is_baseline: z.boolean().nullable().openapi({
      description:
        'True: it began in a first load, and may have begun earlier. Null: that is no longer known.',
    }),
  })
  .openapi('OpenEpisode') satisfies z.ZodType<OpenEpisode>;

const target = z.string().max(20).optional().openapi({
  description: 'How long somebody may be at high. Without it: HIGH_TARGET of the server.',
  example: '24h',
});

const OpenKey = z.tuple([z.iso.datetime(), z.string(), z.guid()]);

export function responseRoutes(api: OpenAPIHono<Caller>, reader: Reader, highTargetMs: number): void {
  listRoute(api, reader, {
    path: '/response-times',
    name: 'response_times',
    summary: 'How long users stayed at high',
    description: 'A period counts in the span in which it ended. Ten rows: two spans, five ways to end.',
    query: Spanned.extend({ target }),
    row: Time,
    parts: ['levels'],
    usual: '90d',
    ask: async (db, scope, { query }) => {
      const targetMs = readTarget(query.target, highTargetMs);
      return { rows: await answerTo(db, responseTimes(idsOf(scope), { ...scope.span, targetMs })) };
    },
  });
  listRoute(api, reader, {
    path: '/response-times/distribution',
    name: 'distribution',
    summary: 'How many periods at high ended after how long',
    description: 'One row for each length. Periods of a first load are left out.',
    query: Spanned,
    row: Step,
    parts: ['levels'],
    usual: '90d',
    ask: async (db, scope) => ({ rows: await answerTo(db, responseDistribution(idsOf(scope), scope.span)) }),
  });
  listRoute(api, reader, {
    path: '/response-times/open',
    name: 'open',
    summary: 'Who is at high for longer than the target',
    description: 'As of the end of the span, the longest first.',
    query: Spanned.extend({ target }).extend(Paged.shape),
    row: Open,
    parts: ['levels'],
    usual: '90d',
    ask: async (db, scope, { query }) => {
      const most = rowsAsked(query);
      const targetMs = readTarget(query.target, highTargetMs);
      const page = { after: readCursor(query.cursor, OpenKey), most: most + 1 };
      const rows = await answerTo(db, openOverTarget(idsOf(scope), { ...scope.span, targetMs }, page));
      return cut(rows, most, (row) => [row.started_at, row.account_id, row.user_id]);
    },
  });
}
