// The rejected records that wait, read again with this version's eyes.
import type { Pool } from '../db/pool.ts';
import type { RejectedRow } from '../queries/rejected/list-rejected.ts';
import { waitingRaw } from '../queries/rejected/waiting-raw.ts';
import { recheck, type Recheck } from './recheck.ts';

export type Rechecked = RejectedRow & { now: Recheck };

/** Without what they hold. */
export async function recheckWaiting(pool: Pool, accountId: string | undefined): Promise<Rechecked[]> {
  const rows: Rechecked[] = [];
  for await (const { raw, ...row } of waitingRaw(pool, accountId === undefined ? {} : { accountId }))
    rows.push({ ...row, now: recheck(raw) });
  return rows;
}
