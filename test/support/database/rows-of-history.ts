// What P5 says must not change: where each row of users and history is stored, the transactions that wrote it, the
// sequences, and the highest user key. If two results are equal, nothing was written in between.
import type { Pool } from '../../../src/db/pool.ts';

const TABLES = ['users', 'user_levels', 'user_identities', 'user_activity'] as const;

/** One digest per table, for one account or for all; every sequence of the schema; and the keys. */
export async function rowsOfHistory(pool: Pool, accountId?: string): Promise<Record<string, unknown>> {
  const state: Record<string, unknown> = {};
  for (const table of TABLES) {
    const { rows } = await pool.query<object>(
      `select count(*)::integer as rows, md5(string_agg(concat_ws(' ', t.ctid, t.xmin, t.xmax), ',' order by t.ctid)) as touched
         from risk.${table} t join risk.accounts a using (account_key) where $1::text is null or a.account_id = $1`,
      [accountId ?? null],
    );
    state[table] = rows[0];
  }
  const sequences = await pool.query<{ name: string }>(
    `select schemaname || '.' || sequencename as name from pg_sequences where schemaname = 'risk' order by 1`,
  );
  for (const { name } of sequences.rows)
    state[name] = (await pool.query<object>(`select last_value, is_called from ${name}`)).rows[0];
  const keys = await pool.query<object>(
    `select account_key, last_user_key from risk_internal.account_writers join risk.accounts a using (account_key)
      where $1::text is null or a.account_id = $1 order by 1`,
    [accountId ?? null],
  );
  state['user keys'] = keys.rows;
  return state;
}
