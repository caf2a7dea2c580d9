// Emails and names in rows of users, for callers with the token that shows them. Answers for other callers lack these
// columns.
import { z } from '@hono/zod-openapi';
import type { Db } from '../../db/handle.ts';
import { mapIdentity, NO_IDENTITY, type IdentityField } from '../../user-risk.ts';
import { nameKey, namesOf } from '../../queries/users/names-of.ts';

const personal = (what: IdentityField) =>
  z
    .string()
    .nullable()
    .optional()
    .openapi({
      description: `Personal data: the current ${what}; null if none was served. Only in answers to who sends HTTP_PII_TOKEN.`,
    });

/** The fields that `withNames` adds. */
export const PERSON = mapIdentity(personal);

type Row = Record<string, unknown>;

/** Needs the role that may read identities. */
export async function withNames(db: Db, rows: readonly Row[]): Promise<Row[]> {
  const users = rows.map(userOf);
  const names = await namesOf(db, users);
  return rows.map((row, nth) => ({
    ...row,
    ...(names.get(nameKey(users[nth]!)) ?? NO_IDENTITY),
  }));
}

const User = z.object({ account_id: z.string(), user_id: z.string() });

/** Only resources with rows of users ask for names. */
function userOf(row: Row): z.infer<typeof User> {
  return User.parse(row);
}
