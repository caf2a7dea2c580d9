// The account's newest walk that ended: its size, and how the server handled paging.
import { and, desc, eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { keeps } from '../../db/sql/evidence-sql.ts';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { syncRuns } from '../../db/schema.ts';
import { readEvidence, type KeptPaging, type PageSizeKept } from '../../evidence.ts';

export type LastWalk = {
  runId: number;
  pages: number;
  passes: number;
  paging: KeptPaging;
  pageSize: PageSizeKept | null;
};

/** Null if there is none. */
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
  const { paging = {}, page_size: pageSize = null } = readEvidence(evidence);
  return { ...walk, paging, pageSize };
}
