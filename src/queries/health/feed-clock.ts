// How far the history is written, and the current hour. An answer stays the same while both stay the same.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { onlyRow } from '../../db/sql/only-row.ts';

/** `written` changes with every write to the history, in any account. `hour` counts the hours since 1970. */
export async function readFeedClock(db: Db): Promise<{ written: string; hour: number }> {
  const { rows } = await on(db).execute<{ written: string; hour: number }>(sql`
    select coalesce(md5(string_agg(epoch::text || '/' || feed_id, ' ' order by epoch, feed_id)), '') as written,
           floor(extract(epoch from now()) / 3600)::int as hour
      from risk_bi.feed_clock`);
  return onlyRow(rows);
}

/** Whether the history is distributed. Readers may also ask this. */
export async function hasClockPerAccount(db: Db): Promise<boolean> {
  const { rows } = await on(db).execute<{ is: boolean }>(
    sql`select count(*) filter (where account_id is null) = 0 as is from risk_bi.feed_clock`,
  );
  return onlyRow(rows).is;
}
