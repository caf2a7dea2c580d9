// What the newest walk of the account that came to its end was like: how large, and how the server treated paging.
import { and, desc, eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Paging } from '../../cloudflare/walk-pages.ts';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { syncRuns } from '../../db/schema.ts';

export type LastWalk = { runId: number; pages: number; passes: number; paging: Paging };

/** Null when there is none. */
export async function lastWalk(pool: Pool, accountKey: number): Promise<LastWalk | null> {
  const [run] = await readAgain(() =>
    drizzle(pool)
      .select({
        runId: syncRuns.run_id,
        pages: syncRuns.pages,
        passes: syncRuns.passes,
        paging: sql<Paging>`${syncRuns.evidence} -> 'paging'`,
      })
      .from(syncRuns)
      .where(and(eq(syncRuns.account_key, accountKey), sql`${syncRuns.evidence} ? 'paging'`))
      .orderBy(desc(syncRuns.run_id))
      .limit(1),
  );
  return run ?? null;
}
