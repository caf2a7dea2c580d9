// The row that an erasure leaves: begun before anything is erased, finished when every account is done. It holds no
// personal data. A second call for the same person finds the row by its hash, and continues.
import { randomUUID } from 'node:crypto';
import { and, eq, isNotNull, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { erasedPeople as p, erasureKey as k } from '../../db/schema.ts';
import { DEFAULT_LIMITS, inTransaction, type Transaction } from '../../db/transaction.ts';
import { createUserIdHasher } from '../../db/erased/hash-user-id.ts';

/** forget: the person stays erased when the API serves them again. once: the person is then a new user. */
export type EraseMode = 'forget' | 'once';

export type ErasedPerson = typeof p.$inferSelect;

/** How much was erased. */
export type EraseCounts = {
  identities: number;
  rejected: number;
  lookups: number;
  runs: number;
  /** Accounts that had the person as a user. */
  accounts: number;
};

export const NOTHING_ERASED: EraseCounts = { identities: 0, rejected: 0, lookups: 0, runs: 0, accounts: 0 };

/**
 * From here on, a run that begins knows the person as forgotten. An erasure that was begun before continues under the
 * same id. Only the hash of the user id reaches the database.
 */
export async function beginErasure(pool: Pool, userId: string, mode: EraseMode): Promise<ErasedPerson> {
  return inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
    const hash = createUserIdHasher(await takeKey(tx))(userId);
    await tx.insert(p).values({ user_id: randomUUID(), mode, user_hash: hash }).onConflictDoNothing();
    // The stricter mode wins, also over the mode of an interrupted erasure.
    if (mode === 'forget') await tx.update(p).set({ mode }).where(eq(p.user_hash, hash));
    const [person] = await tx.select().from(p).where(eq(p.user_hash, hash));
    if (person === undefined) throw new Error('the erasure has no row');
    return person;
  });
}

/** The key of this history. The database makes it on first use. */
async function takeKey(tx: Transaction): Promise<string> {
  await tx.insert(k).values({ id: 1 }).onConflictDoNothing();
  const [row] = await tx.select({ key: k.key }).from(k).where(eq(k.id, 1));
  if (row === undefined) throw new Error('the key of the erasures has no row');
  return row.key;
}

/** Call it in the transaction that erased. */
export async function countErased(tx: Transaction, userId: string, counts: EraseCounts): Promise<void> {
  if (Object.values(counts).every((count) => count === 0)) return;
  await tx
    .update(p)
    .set({
      account_count: sql`${p.account_count} + ${counts.accounts}`,
      identity_count: sql`${p.identity_count} + ${counts.identities}`,
      rejected_count: sql`${p.rejected_count} + ${counts.rejected}`,
      lookup_count: sql`${p.lookup_count} + ${counts.lookups}`,
      run_count: sql`${p.run_count} + ${counts.runs}`,
    })
    .where(eq(p.user_id, userId));
}

/** With mode once, the end of the erasure removes the person's hash. */
export async function finishErasure(pool: Pool, userId: string): Promise<ErasedPerson> {
  const [person] = await drizzle(pool)
    .update(p)
    .set({
      finished_at: sql`coalesce(${p.finished_at}, now())`,
      user_hash: sql`case when ${p.mode} = 'forget' then ${p.user_hash} end`,
    })
    .where(eq(p.user_id, userId))
    .returning();
  if (person === undefined) throw new Error('the erasure has no row');
  return person;
}

/**
 * The person is no longer recognised, because the hash is deleted. Returns false if this id has no finished erasure.
 */
export async function releasePerson(pool: Pool, userId: string): Promise<boolean> {
  const { rowCount } = await drizzle(pool)
    .update(p)
    .set({ mode: 'once', user_hash: null })
    .where(and(eq(p.user_id, userId), isNotNull(p.finished_at)));
  return (rowCount ?? 0) > 0;
}
