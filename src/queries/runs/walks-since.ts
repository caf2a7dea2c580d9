// How many walks an account has had since an instant, that instant included. Since absent_since, they are the walks
// that did not meet the user.
import { and, eq, sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { snapshots } from '../../db/schema.ts';

export type Walks = { complete: number; partial: number };

export async function walksSince(db: Db, accountKey: number, since: string): Promise<Walks> {
  const [row] = await on(db)
    .select({
      complete: sql<number>`(count(*) filter (where ${snapshots.verdict} = 'complete'))::integer`,
      partial: sql<number>`(count(*) filter (where ${snapshots.verdict} = 'partial'))::integer`,
    })
    .from(snapshots)
    .where(
      and(eq(snapshots.account_key, accountKey), sql`${snapshots.observed_at} >= ${since}::timestamptz`),
    );
  return row ?? { complete: 0, partial: 0 };
}
