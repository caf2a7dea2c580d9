// GET /runs: finished runs. GET /runs/{run_id}: one run explained.
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { oneRunOf } from '../../answers/pages/runs.ts';
import { idsOf } from '../../answers/scope.ts';
import { runLedger, type LedgerRun } from '../../queries/runs/run-ledger.ts';
import { answerTo } from '../../queries/question.ts';
import type { Caller } from '../auth.ts';
import { cut, readCursor } from '../cursor.ts';
import type { Reader } from '../read-as.ts';
import { listRoute } from './list-route.ts';
import { About, Paged, Spanned, wholeNumberParameter } from './parameters.ts';
import { rowsAsked } from './rows-asked.ts';

const count = (description: string) => z.int().min(0).openapi({ description });
const time = (description: string) => z.iso.datetime().openapi({ description });

const Run = z
  .object({
    run_id: z.int(),
    account_id: z.string(),
    account_label: z.string(),
    trigger: z.string().openapi({ description: 'What started it: cron, cli or http.' }),
    scheduled_for: z.iso
      .datetime()
      .nullable()
      .openapi({ description: 'Slot of the schedule; null: by hand.' }),
    status: z.string().openapi({ description: 'succeeded, failed, or abandoned: its process died.' }),
    verdict: z
      .string()
      .nullable()
      .openapi({ description: 'complete or partial; null: nothing was published.' }),
    started_at: time('When it claimed the account.'),
    finished_at: time('When it published, failed, or was found abandoned.'),
    duration_seconds: z.number(),
    passes: count('How many times all pages were read.'),
    pages: count('Pages read.'),
    requests: count('Requests sent, retries included.'),
    retries: count('Requests that were repeated after a failure.'),
    users_met: count('Users with an accepted record.'),
    rejected: count('Records that were not accepted.'),
    expected_unseen: z
      .number()
      .nullable()
      .openapi({ description: 'Estimate of present users whom no pass met.' }),
    error_code: z
      .string()
      .nullable()
      .openapi({ description: 'A stable code, explained in docs/runbook.md.' }),
    error_message: z
      .string()
      .nullable()
      .openapi({ description: 'What happened, what it means, what to do.' }),
    snapshot_id: z.int().nullable(),
  })
  .openapi('Run') satisfies z.ZodType<LedgerRun>;

const ExplainedRun = Run.extend({
  facts: z.array(z.tuple([z.string(), z.string()])).openapi({
    description: 'The run in words, as pairs of a name and a sentence. Without a name: more of the last.',
  }),
}).openapi('ExplainedRun');

/** An HTML form sends an empty field if nothing was chosen. */
const choice = <const Names extends readonly string[]>(names: Names, description: string) =>
  z
    .enum(['', ...names])
    .optional()
    .openapi({ description });

const RunKey = z.tuple([z.iso.datetime(), z.int()]);

export function runRoutes(api: OpenAPIHono<Caller>, reader: Reader): void {
  listRoute(api, reader, {
    path: '/runs',
    name: 'runs',
    summary: 'Finished runs',
    description: 'The newest first. A run belongs to the span in which it ended.',
    query: Spanned.extend(Paged.shape).extend({
      status: choice(['succeeded', 'failed', 'abandoned'], 'Only runs that ended so.'),
      verdict: choice(['complete', 'partial'], 'Only runs that published such a snapshot.'),
    }),
    row: Run,
    parts: ['runs'],
    usual: '90d',
    ask: async (db, scope, { query }) => {
      const { cursor, status, verdict } = query;
      const most = rowsAsked(query);
      const filter = { ...scope.span, status: status || null, verdict: verdict || null };
      const page = { after: readCursor(cursor, RunKey), most: most + 1 };
      const rows = await answerTo(db, runLedger(idsOf(scope), filter, page));
      return cut(rows, most, (run) => [run.finished_at, run.run_id]);
    },
  });
  listRoute(api, reader, {
    path: '/runs/{run_id}',
    name: 'runs',
    summary: 'One run, with its evidence in words',
    description: 'One row. A run that goes on is not found yet.',
    query: About,
    params: z.object({ run_id: wholeNumberParameter(1, Number.MAX_SAFE_INTEGER) }),
    row: ExplainedRun,
    ask: async (db, scope, { params }) => {
      const { run, facts } = await oneRunOf(db, scope, params.run_id);
      return { rows: run.rows.map((row) => ({ ...row, facts })) };
    },
  });
}
