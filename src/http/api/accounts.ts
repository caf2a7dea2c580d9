// GET /accounts: the accounts of the history.
import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { accountList, type ListedAccount } from '../../queries/accounts/account-list.ts';
import { answerTo } from '../../queries/question.ts';
import type { Caller } from '../auth.ts';
import { readAs, type Reader } from '../read-as.ts';
import { PROBLEMS } from './problem.ts';

const Account = z
  .object({
    account_id: z.string(),
    account_label: z.string().openapi({ description: 'The label, or the id if there is none.' }),
    is_retired: z.boolean(),
    added_at: z.iso.datetime(),
  })
  .openapi('Account') satisfies z.ZodType<ListedAccount>;

const route = createRoute({
  method: 'get',
  path: '/accounts',
  summary: 'The accounts of this history',
  responses: {
    200: {
      description: 'In the order in which they were added',
      content: { 'application/json': { schema: z.object({ accounts: z.array(Account) }) } },
    },
    ...PROBLEMS,
  },
});

export function accountsRoute(api: OpenAPIHono<Caller>, reader: Reader): void {
  api.openapi(route, async (c) => {
    const accounts = await readAs(reader, 'without identities', (db) => answerTo(db, accountList()));
    return c.json({ accounts }, 200);
  });
}
