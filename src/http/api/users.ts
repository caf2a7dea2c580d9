// GET /users: users as they are now.
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { searchRefused, usersAskedOf, usersPageOf } from '../../answers/people/users-page.ts';
import { keyOfUser, SORTS, STATES } from '../../queries/users/user-page.ts';
import { RISK_LEVELS } from '../../user-risk.ts';
import type { Caller } from '../auth.ts';
import { cut, readCursor } from '../cursor.ts';
import { userCursor } from './people-cursors.ts';
import type { Reader } from '../read-as.ts';
import { listRoute } from './list-route.ts';
import { PERSON } from './named-rows.ts';
import { About, choiceOf, Paged } from './parameters.ts';
import { rowsAsked } from './rows-asked.ts';

const User = z
  .object({
    account_id: z.string(),
    account_label: z.string(),
    user_id: z.guid(),
    max_risk_level: z.enum(RISK_LEVELS).nullable().openapi({ description: 'Null: the user was cleared.' }),
    level_since: z.string().nullable(),
    event_count: z.int().openapi({ description: 'A stock, not a flow: never add it up over time.' }),
    last_event: z.string(),
    first_seen_at: z.string(),
    absent_since: z
      .string()
      .nullable()
      .openapi({ description: 'Since when no walk has met this present user; null while the user is met.' }),
    cleared_at: z.string().nullable(),
    erased_at: z.string().nullable().openapi({
      description: 'Since when the user stands for a person who was erased; null for everybody else.',
    }),
    ...PERSON,
  })
  .openapi('User');

export const UserAsRow = User;

export function usersRoute(api: OpenAPIHono<Caller>, reader: Reader, piiKey: string | null): void {
  listRoute(api, reader, {
    path: '/users',
    name: 'users',
    summary: 'Users as they are now',
    description: 'Usually the present users, the gravest level first.',
    query: z.object({
      ...About.shape,
      ...Paged.shape,
      level: choiceOf(STATES, 'Only users in this state. all: cleared ones as well. Usually present.'),
      absent: choiceOf(['yes'], 'yes: only present users whom the newest walks did not meet.'),
      q: z.string().max(200).optional().openapi({
        description:
          'The beginning of a user id; with HTTP_PII_TOKEN also a part of an email or name. Where they are kept as hashes: the whole email, or the whole name.',
      }),
      sort: choiceOf(SORTS, 'The order of the rows. level_since: of a cleared user, when that was.'),
      order: choiceOf(['asc', 'desc'], 'Usually asc for level_since, and desc otherwise.'),
    }),
    row: UserAsRow,
    hasNames: true,
    ask: async (db, scope, { query, identities }) => {
      const asked = usersAskedOf((name) => query[name as 'level']);
      const { sort } = asked.order;
      const after = readCursor(query.cursor, userCursor(sort));
      const most = rowsAsked(query);
      const users = await usersPageOf(db, scope, { ...asked, after, most: most + 1, identities, piiKey });
      if (users.search !== 'done') throw searchRefused(users.search);
      return cut(users.rows, most, keyOfUser(sort));
    },
  });
}
