// GET /accounts: the accounts of the history. GET /freshness: how fresh and how sure the data of each is.
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { accountList, type ListedAccount } from '../../queries/accounts/account-list.ts';
import { idsOf } from '../../answers/scope.ts';
import { newestSnapshots, type NewestSnapshot } from '../../queries/snapshots/newest-snapshots.ts';
import { answerTo } from '../../queries/question.ts';
import type { Caller } from '../auth.ts';
import type { Reader } from '../read-as.ts';
import { listRoute } from './list-route.ts';
import { About, format } from './parameters.ts';

const Account = z
  .object({
    account_id: z.string(),
    account_label: z.string().openapi({ description: 'The label, or the id if there is none.' }),
    is_retired: z.boolean(),
    added_at: z.iso.datetime(),
  })
  .openapi('Account') satisfies z.ZodType<ListedAccount>;

const users = (level: string) =>
  z
    .int()
    .nullable()
    .openapi({ description: `Present users at ${level}; null before the first snapshot.` });

const Freshness = z
  .object({
    account_id: z.string(),
    account_label: z.string().openapi({ description: 'The label, or the id if there is none.' }),
    retired_at: z.iso.datetime().nullable(),
    snapshot_id: z
      .number()
      .nullable()
      .openapi({ description: 'The newest snapshot; null before the first one.' }),
    observed_at: z.iso.datetime().nullable().openapi({ description: 'Its instant.' }),
    verdict: z
      .string()
      .nullable()
      .openapi({ description: 'complete, or partial: some users may have been missed.' }),
    expected_unseen: z
      .number()
      .nullable()
      .openapi({ description: 'Estimate of present users whom no pass met; null if there is none.' }),
    is_baseline: z.boolean().nullable().openapi({ description: 'It belongs to the first load.' }),
    low: users('low'),
    medium: users('medium'),
    high: users('high'),
    run_status: z
      .string()
      .nullable()
      .openapi({ description: 'Of the newest run: succeeded, failed or abandoned.' }),
    error_code: z
      .string()
      .nullable()
      .openapi({ description: 'Why it failed; docs/runbook.md explains each code.' }),
  })
  .openapi('Freshness') satisfies z.ZodType<NewestSnapshot>;

export function accountsRoute(api: OpenAPIHono<Caller>, reader: Reader): void {
  listRoute(api, reader, {
    path: '/accounts',
    name: 'accounts',
    summary: 'The accounts of this history',
    description: 'In the order in which they were added, retired ones included.',
    query: z.object({ format }),
    row: Account,
    ask: async (db) => ({ rows: await answerTo(db, accountList()) }),
  });
  listRoute(api, reader, {
    path: '/freshness',
    name: 'freshness',
    summary: 'How fresh and how sure the data of each account is',
    description: 'The newest snapshot with its counts, and how the newest run ended.',
    query: About,
    row: Freshness,
    ask: async (db, scope) => ({ rows: await answerTo(db, newestSnapshots(idsOf(scope))) }),
  });
}
