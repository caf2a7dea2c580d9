// GET /trend, GET /levels, GET /coverage: how many users are at each level, and how reliable these counts are.
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { idsOf } from '../../answers/scope.ts';
import { askedStep } from '../../answers/trend-of.ts';
import { levelsAtOf } from '../../answers/levels-at-of.ts';
import type { LevelsAt } from '../../queries/levels/levels-at.ts';
import { TREND_STEPS, trend, type TrendRow } from '../../queries/levels/trend.ts';
import { answerTo } from '../../queries/question.ts';
import { coverage, type CoverageDay } from '../../queries/runs/coverage.ts';
import { WHEN_HELP } from '../../time/when.ts';
import type { Caller } from '../auth.ts';
import type { Reader } from '../read-as.ts';
import { listRoute } from './list-route.ts';
import { About, Spanned } from './parameters.ts';

const count = (description: string) => z.int().min(0).openapi({ description });

const COUNTS = {
  low: count('Present users at low.'),
  medium: count('Present users at medium.'),
  high: count('Present users at high.'),
  account_count: count('Accounts that had a snapshot by then.'),
};

const TrendPoint = z
  .object({
    at: z.iso
      .datetime()
      .openapi({ description: 'A snapshot, or the start of an hour or day. Holds until the next row.' }),
    local: z.string().openapi({ description: 'The same in the time zone tz.', example: '2026-03-01 09:00' }),
    ...COUNTS,
    is_observed: z.boolean().openapi({
      description: 'False: an account has no snapshot in this hour or day, and its state before is carried.',
    }),
  })
  .openapi('TrendPoint') satisfies z.ZodType<TrendRow>;

const Levels = z
  .object({ moment: z.string().openapi({ description: 'The instant, as it was given.' }), ...COUNTS })
  .openapi('Levels') satisfies z.ZodType<LevelsAt>;

const Coverage = z
  .object({
    day: z.iso.date(),
    run_count: count('Runs that ended on this day.'),
    failed_count: count('Runs that failed.'),
    abandoned_count: count('Runs whose process died.'),
    complete_count: count('Complete snapshots.'),
    partial_count: count('Partial snapshots: some users may have been missed.'),
    expected_slot_count: z
      .int()
      .nullable()
      .openapi({ description: 'Slots of the schedule; null if no run had one.' }),
    slot_succeeded_count: count('Slots with a run that succeeded.'),
  })
  .openapi('Coverage') satisfies z.ZodType<CoverageDay>;

export function levelRoutes(api: OpenAPIHono<Caller>, reader: Reader): void {
  listRoute(api, reader, {
    path: '/trend',
    name: 'trend',
    summary: 'Users by level over time',
    description: 'Each row holds until the next one. The first row is the state at the start of the span.',
    query: Spanned.extend({
      step: z.enum(TREND_STEPS).optional().openapi({
        description:
          'Without it: each snapshot of up to 48 hours, each hour of up to 31 days, and each day of longer spans. The total of more than 10 accounts goes by hours and days, and of thousands by days.',
      }),
    }),
    row: TrendPoint,
    usual: '90d',
    ask: async (db, scope, { query }) => {
      const { span, timezone } = scope;
      const step = askedStep(span, query.step, scope.accounts.length);
      return { rows: await answerTo(db, trend(idsOf(scope), { ...span, timezone, step })) };
    },
  });
  listRoute(api, reader, {
    path: '/levels',
    name: 'levels',
    summary: 'Users by level at an instant',
    description:
      'Of each account, the newest snapshot at or before the instant counts. All are 0 before the first one.',
    query: About.extend({
      at: z
        .string()
        .max(200)
        .optional()
        .openapi({
          description: `${WHEN_HELP}. Several may be given, with commas between them. Without it: now, 24h and 7d.`,
          example: '2026-03-01',
        }),
    }),
    row: Levels,
    ask: async (db, scope, { query }) => ({ rows: await levelsAtOf(db, scope, query.at ?? 'now,24h,7d') }),
  });
  listRoute(api, reader, {
    path: '/coverage',
    name: 'coverage',
    summary: 'Runs and snapshots of each day',
    description: 'What was expected, what was written, and how sure it was.',
    query: Spanned,
    row: Coverage,
    parts: ['runs'],
    usual: '90d',
    ask: async (db, scope) => {
      const { span, timezone } = scope;
      return { rows: await answerTo(db, coverage(idsOf(scope), { ...span, timezone })) };
    },
  });
}
