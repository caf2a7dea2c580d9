// The feed of level changes of one account, newest first (risk_bi.level_changes). It is read in parts, each with its
// own short statement: a span may hold millions of changes, and a slow reader must not hold a snapshot of the database.
import { sql, type SQL } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { snapshots as s, userIdentities as i, users as u } from '../../db/schema.ts';
import { columnList } from '../../db/sql/column-names.ts';
import { fieldColumns, identityList } from '../../db/sql/user-columns.ts';
import { CHANGE_ORDER, CHANGES, type Change, type Identity } from '../../user-risk.ts';

/** The identity is that of then; null unless identities were requested. */
export type LevelChange = Identity & {
  changed_at: string;
  change: Change;
  user_id: string;
  /** Null: not present. */
  from_level: string | null;
  to_level: string | null;
  snapshot_id: number;
};

export type LevelChangeFilter = {
  /** From `since`, up to but not including `until`. */
  since: Date;
  until: Date;
  /** Levels after the change; null: cleared. Empty: all. */
  to: readonly (string | null)[];
  /** Empty: all. */
  change: readonly Change[];
  identities: boolean;
};

type Account = { account_key: number; account_id: string };

/** Yields no empty part. */
export async function* levelChanges(
  db: Db,
  account: Account,
  filter: LevelChangeFilter,
): AsyncGenerator<LevelChange[]> {
  for (const part of await parts(db, account, filter)) {
    const { rows } = await on(db).execute<LevelChange>(changesIn(account, part, filter));
    if (rows.length > 0)
      yield rows.map((row) => ({ ...row, changed_at: new Date(row.changed_at).toISOString() }));
  }
}

type Part = { first: string; last: string };

const PART = 5_000;

/** Spans of snapshots with about this number of changes each. One snapshot is never split. */
async function parts(db: Db, { account_key }: Account, { since, until }: LevelChangeFilter): Promise<Part[]> {
  const counts = sql.join(
    CHANGES.map((change) => sql`${s[change]}`),
    sql` + `,
  );
  const ms = (end: 'min' | 'max') =>
    sql`round(extract(epoch from ${sql.raw(end)}(observed_at)) * 1000)::float8`;
  const { rows } = await on(db).execute<{ first: number; last: number }>(sql`
    select ${ms('min')} as first, ${ms('max')} as last
      from (select ${s.observed_at}, sum(${counts}) over (order by ${s.observed_at} desc) / ${PART} as part
              from ${s} where ${s.account_key} = ${account_key} and not ${s.is_baseline}
               and ${s.observed_at} >= ${since.toISOString()}::timestamptz and ${s.observed_at} < ${until.toISOString()}::timestamptz) c
     group by part order by min(observed_at) desc`);
  // Snapshots have whole milliseconds.
  const iso = (at: number) => new Date(at).toISOString();
  return rows.map(({ first, last }) => ({ first: iso(first), last: iso(last) }));
}

function changesIn(
  { account_key, account_id }: Account,
  { first, last }: Part,
  filter: LevelChangeFilter,
): SQL {
  const { identities, change, to } = filter;
  const named = sql`
      left join ${u} on ${u.account_key} = ${account_key} and ${u.user_id} = c.user_id
      left join ${i} on ${i.account_key} = ${account_key} and ${i.user_key} = ${u.user_key}
            and ${i.valid_from} <= c.changed_at and (${i.valid_to} is null or ${i.valid_to} > c.changed_at)`;
  const levels = to.filter((level) => level !== null);
  const wanted: SQL[] = [sql`true`];
  if (change.length > 0) wanted.push(sql`c.change = any(${sql.param([...change])}::text[])`);
  if (to.length > 0)
    wanted.push(
      sql`(c.to_level = any(${sql.param(levels)}::text[])${to.includes(null) ? sql` or c.to_level is null` : sql``})`,
    );
  return sql`
    select c.changed_at, c.change, c.user_id, c.from_level, c.to_level, c.snapshot_id::float8 as snapshot_id,
           ${identities ? columnList(...fieldColumns(i, 'identity')) : identityList(null)}
      from risk_bi.level_changes c ${identities ? named : sql``}
     where c.account_id = ${account_id} and c.changed_at between ${first}::timestamptz and ${last}::timestamptz
       and ${sql.join(wanted, sql` and `)}
     order by c.changed_at desc, array_position(${sql.param([...CHANGE_ORDER])}::text[], c.change), c.user_id`;
}
