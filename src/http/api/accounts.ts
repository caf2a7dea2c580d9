// GET /accounts: the accounts of the history.
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { accountList, type ListedAccount } from '../../queries/accounts/account-list.ts';
import { answerTo } from '../../queries/question.ts';
import type { Caller } from '../auth.ts';
import type { Reader } from '../read-as.ts';
import { listRoute } from './list-route.ts';
import { format } from './parameters.ts';

const Account = z
  .object({
    account_id: z.string(),
    account_label: z.string().openapi({ description: 'The label, or the id if there is none.' }),
    is_retired: z.boolean(),
    added_at: z.iso.datetime(),
  })
  .openapi('Account') satisfies z.ZodType<ListedAccount>;

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
}
