// Finds contradictions in the history of an account: periods that overlap, and open periods that do not match the
// current state. Returns keys, never personal data. One index scan per table and account, in key order.
import { sql, type SQL } from 'drizzle-orm';
import { userIdentities as i, userLevels as l, users as u } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';

/** How many users are affected, and the first three keys. */
export type Defect = { count: number; keys: number[] };

export type HistoryHealth = {
  overlappingLevels: Defect;
  overlappingIdentities: Defect;
  /**
   * Present users without an open period of their level and time. Also cleared or unknown users with an open period.
   */
  contradictedLevels: Defect;
  /** Users without exactly one open identity since identity_since. Also unknown users with an open identity. */
  contradictedIdentities: Defect;
};

export async function historyHealth(tx: Transaction, accountKey: number): Promise<HistoryHealth> {
  return {
    overlappingLevels: await defect(tx, overlap(l, accountKey)),
    overlappingIdentities: await defect(tx, overlap(i, accountKey)),
    contradictedLevels: await defect(tx, contradictedLevels(accountKey)),
    contradictedIdentities: await defect(tx, contradictedIdentities(accountKey)),
  };
}

/**
 * If any two periods overlap, then some period overlaps the next one in order of start. A period that does not end
 * after its start is also found.
 */
function overlap(table: typeof l | typeof i, accountKey: number): SQL {
  return sql`
    select distinct user_key from (
      select ${table.user_key} as user_key, ${table.valid_from} as valid_from, ${table.valid_to} as valid_to,
             lead(${table.valid_from}) over (partition by ${table.user_key} order by ${table.valid_from}) as next_from
        from ${table} where ${table.account_key} = ${accountKey}) periods
     where next_from < coalesce(valid_to, 'infinity') or valid_to <= valid_from`;
}

function contradictedLevels(accountKey: number): SQL {
  return sql`
    select user_key
      from (select ${u.user_key} as user_key, ${u.max_risk_level} as level, ${u.level_since} as since from ${u}
             where ${u.account_key} = ${accountKey} and ${u.max_risk_level} is not null) state
      full join (select ${l.user_key} as user_key, ${l.max_risk_level} as open_level, ${l.valid_from} as open_since from ${l}
             where ${l.account_key} = ${accountKey} and ${l.valid_to} is null) period using (user_key)
     where (level, since) is distinct from (open_level, open_since)`;
}

function contradictedIdentities(accountKey: number): SQL {
  return sql`
    select user_key
      from (select ${u.user_key} as user_key, ${u.identity_since} as since from ${u}
             where ${u.account_key} = ${accountKey}) state
      full join (select ${i.user_key} as user_key, ${i.valid_from} as open_since from ${i}
             where ${i.account_key} = ${accountKey} and ${i.valid_to} is null) period using (user_key)
     where since is distinct from open_since`;
}

async function defect(tx: Transaction, found: SQL): Promise<Defect> {
  const { rows } = await tx.execute<{ count: number; keys: string[] | null }>(sql`
    select count(*)::integer as count, (array_agg(user_key order by user_key))[1:3] as keys from (${found}) found`);
  return { count: rows[0]?.count ?? 0, keys: (rows[0]?.keys ?? []).map(Number) };
}
