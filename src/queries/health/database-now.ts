// The time on the database's clock, which snapshots also use.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { onlyRow } from '../../db/sql/only-row.ts';

export async function databaseNow(db: Db): Promise<Date> {
  const { rows } = await on(db).execute<{ ms: number }>(
    // Rounded up, so that a snapshot of the same millisecond is not later than now.
    sql`select ceil(extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
  );
  return new Date(onlyRow(rows).ms);
}
