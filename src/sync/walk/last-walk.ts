// What the newest walk of the account that came to its end was like: how large, and how the server treated paging.
import { and, desc, eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { keeps } from '../../db/evidence-sql.ts';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { syncRuns } from '../../db/schema.ts';
import { readEvidence, type KeptPaging } from '../../evidence.ts';

export type LastWalk = { runId: number; pages: number; passes: number; paging: KeptPaging };

/** Null when there is none. */
export async function lastWalk(pool: Pool, accountKey: number): Promise<LastWalk | null> {
  const [run] = await readAgain(() =>
    drizzle(pool)
      .select({
        runId: syncRuns.run_id,
        pages: syncRuns.pages,
        passes: syncRuns.passes,
        evidence: syncRuns.evidence,
      })
      .from(syncRuns)
      .where(and(eq(syncRuns.account_key, accountKey), keeps(syncRuns.evidence, 'paging')))
      .orderBy(desc(syncRuns.run_id))
      .limit(1),
  );
  if (run === undefined) return null;
  const { evidence, ...walk } = run;
  return { ...walk, paging: readEvidence(evidence).paging ?? {} };
}
