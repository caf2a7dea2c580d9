// Why runs are partial, in the words of their evidence.
import { inArray } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { syncRuns } from '../../db/schema.ts';
import { readEvidence } from '../../evidence.ts';

/** By run id. A run without a reason is left out. */
export async function runReasons(db: Db, runIds: readonly number[]): Promise<Map<number, readonly string[]>> {
  if (runIds.length === 0) return new Map();
  const rows = await on(db)
    .select({ run_id: syncRuns.run_id, evidence: syncRuns.evidence })
    .from(syncRuns)
    .where(inArray(syncRuns.run_id, [...runIds]));
  return new Map(
    rows.flatMap(({ run_id, evidence }) => {
      const { reasons = [] } = readEvidence(evidence);
      return reasons.length === 0 ? [] : [[run_id, reasons] as const];
    }),
  );
}
