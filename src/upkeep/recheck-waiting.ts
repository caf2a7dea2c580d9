// Checks the waiting rejected records again, with the rules of this version.
import type { Pool } from '../db/pool.ts';
import type { RejectedRow } from '../queries/rejected/list-rejected.ts';
import { waitingRaw } from '../queries/rejected/waiting-raw.ts';
import { recheck, type Recheck } from './recheck.ts';

export type Rechecked = RejectedRow & { now: Recheck };

/** Without the content of the records. */
export async function recheckWaiting(
  pool: Pool,
  accountKeys: readonly number[] | undefined,
): Promise<Rechecked[]> {
  const rows: Rechecked[] = [];
  for await (const { raw, ...row } of waitingRaw(pool, accountKeys === undefined ? {} : { accountKeys }))
    rows.push({ ...row, now: recheck(raw) });
  return rows;
}
