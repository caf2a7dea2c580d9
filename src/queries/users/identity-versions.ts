// The versions of one user's email and name, oldest first. Needs the grant on user_identities.
import { and, asc, eq } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { userIdentities as i } from '../../db/schema.ts';
import { fieldsFrom } from '../../db/sql/user-columns.ts';
import type { Identity } from '../../user-risk.ts';

export type IdentityVersion = Identity & { valid_from: string };

export async function identityVersions(
  db: Db,
  user: { account_key: number; user_key: number },
): Promise<IdentityVersion[]> {
  return on(db)
    .select({ valid_from: i.valid_from, ...fieldsFrom(i, 'identity') })
    .from(i)
    .where(and(eq(i.account_key, user.account_key), eq(i.user_key, user.user_key)))
    .orderBy(asc(i.valid_from));
}
