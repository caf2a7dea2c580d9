// The time on the database's clock, which snapshots also use.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';

export async function databaseNow(db: Db): Promise<Date> {
  const { rows } = await on(db).execute<{ ms: number }>(
    // Rounded up, so that a snapshot of the same millisecond is not later than now.
    sql`select ceil(extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
  );
  return new Date(rows[0]?.ms ?? Date.now());
}
