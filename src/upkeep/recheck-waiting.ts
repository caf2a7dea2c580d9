// Checks the waiting rejected records again, with the rules of this version.
import type { Pool } from '../db/pool.ts';
import type { RejectedRow } from '../queries/rejected/list-rejected.ts';
import { waitingRaw } from '../queries/rejected/waiting-raw.ts';
import { recheck, type Recheck } from './recheck.ts';

export type Rechecked = RejectedRow & { now: Recheck };

/** Without the content of the records. */
export async function recheckWaiting(pool: Pool, accountId: string | undefined): Promise<Rechecked[]> {
  const rows: Rechecked[] = [];
  for await (const { raw, ...row } of waitingRaw(pool, accountId === undefined ? {} : { accountId }))
    rows.push({ ...row, now: recheck(raw) });
  return rows;
}
