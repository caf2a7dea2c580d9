// Users whose level differs between two snapshots of an account, gravest changes first (risk_bi.compare). Email and
// name are those at the later snapshot, and are read only on request.
import { sql } from 'drizzle-orm';
import { levelRank } from '../../db/sql/level-rank.ts';
import { on, type Db } from '../../db/handle.ts';
import { accounts as k, userIdentities as i, users as u } from '../../db/schema.ts';
import { columnList } from '../../db/sql/column-names.ts';
import { fieldColumns, identityList } from '../../db/sql/user-columns.ts';
import { CHANGE_ORDER, type Change, type Identity } from '../../user-risk.ts';

export type LevelDifference = Identity & {
  change: Change;
  user_id: string;
  /** Null: not present. */
  from_level: string | null;
  to_level: string | null;
};

export async function compareLevels(
  db: Db,
  account: { account_id: string },
  span: { from: Date; to: Date },
  identities: boolean,
): Promise<LevelDifference[]> {
  const [from, to] = [span.from.toISOString(), span.to.toISOString()];
  const named = sql`
    left join (
      select ${columnList(u.user_id, ...fieldColumns(i, 'identity'))}
        from ${k}
        join ${u} on ${u.account_key} = ${k.account_key}
        join ${i} on ${i.account_key} = ${k.account_key} and ${i.user_key} = ${u.user_key}
         and ${i.valid_from} <= ${to}::timestamptz and (${i.valid_to} is null or ${i.valid_to} > ${to}::timestamptz)
       where ${k.account_id} = ${account.account_id}) i on i.user_id = c.user_id`;
  const worst = (level: string) => sql`${levelRank(sql.raw(`c.${level}`))} desc nulls last`;
  // Materialized, because Citus cannot join a function that asks a node with the tables on that node. For the same
  // reason the key is read from the accounts: with a constant key, Citus would send the whole statement to one node.
  const { rows } = await on(db).execute<LevelDifference>(sql`
    with c as materialized (
      select * from risk_bi.compare(${account.account_id}, ${from}::timestamptz, ${to}::timestamptz))
    select c.change, c.user_id, c.from_level, c.to_level,
           ${identityList(identities ? 'i' : null)}
      from c
      ${identities ? named : sql``}
     order by array_position(${sql.param([...CHANGE_ORDER])}::text[], c.change), ${worst('to_level')}, ${worst('from_level')}, c.user_id`);
  return rows;
}
