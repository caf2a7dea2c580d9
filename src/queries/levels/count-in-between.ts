// How many users of an account were at one of the levels between two snapshots, but not at either end.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { userLevels as l } from '../../db/schema.ts';

/** Such a period begins after the first snapshot, and ends at the last snapshot or earlier. */
export async function countInBetween(
  db: Db,
  accountKey: number,
  span: { from: Date; to: Date },
  levels: readonly string[],
): Promise<number> {
  const [from, to] = [
    sql`${span.from.toISOString()}::timestamptz`,
    sql`${span.to.toISOString()}::timestamptz`,
  ];
  const atLevel = sql`max_risk_level = any(${sql.param([...levels])}::text[])`;
  const { rows } = await on(db).execute<{ count: number }>(sql`
    select count(distinct p.user_key)::integer as count
      from ${l} p
     where p.account_key = ${accountKey} and p.${atLevel}
       and p.valid_from > ${from} and p.valid_from < ${to} and p.valid_to <= ${to}
       and not exists (
         select from ${l} e
          where e.account_key = ${accountKey} and e.user_key = p.user_key and e.${atLevel}
            and ((e.valid_from <= ${from} and (e.valid_to is null or e.valid_to > ${from}))
              or (e.valid_from <= ${to} and (e.valid_to is null or e.valid_to > ${to}))))`);
  return rows[0]?.count ?? 0;
}
