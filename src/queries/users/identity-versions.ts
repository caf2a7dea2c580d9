// The versions of one user's email and name, oldest first. Needs the grant on user_identities.
import { and, asc, eq } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { userIdentities as i } from '../../db/schema.ts';

export type IdentityVersion = { valid_from: string; email: string | null; name: string | null };

export async function identityVersions(
  db: Db,
  user: { account_key: number; user_key: number },
): Promise<IdentityVersion[]> {
  return on(db)
    .select({ valid_from: i.valid_from, email: i.email, name: i.name })
    .from(i)
    .where(and(eq(i.account_key, user.account_key), eq(i.user_key, user.user_key)))
    .orderBy(asc(i.valid_from));
}
