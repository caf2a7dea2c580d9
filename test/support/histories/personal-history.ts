// A history with personal data in every place that can hold it, and everything that a role can read or lock there.
import assert from 'node:assert/strict';
import type { Pool, PoolClient } from '../../../src/db/pool.ts';
import type { MigratedDatabase } from '../database/migrated-database.ts';
import { sampleHistory } from '../database/sample-history.ts';

const EMAIL = 'personal.data@example.com';
const NAME = 'Persona Ldata';
export const ACCOUNTS = ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'] as const;

/** In a transaction that stays open: every lock that this role is allowed. */
export async function takeAllLocks(pool: Pool): Promise<PoolClient> {
  const client = await pool.connect();
  // A reader may also undo the settings of its own session.
  await client.query('set default_transaction_read_only = off');
  await client.query('begin');
  const { rows } = await client.query<{ lock: string }>(`
    select format('lock table only %s in access share mode', c.oid::regclass) as lock from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
     where nspname in ('risk', 'risk_bi', 'risk_internal') and c.relkind in ('r', 'p')
       and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')`);
  for (const { lock } of rows) await client.query(lock);
  // Every role may take any advisory lock. These keys were in use.
  for (const key of [0x7a747273, 0x7a747272, 0x7a747277])
    await client.query('select pg_advisory_lock($1), pg_advisory_xact_lock($1)', [key]);
  return client;
}

export const isPersonal = (text: string) => text.includes(EMAIL) || text.includes(NAME);

type Thing = { name: string; call: string };

/** Every relation, and every function with arguments that find something. */
export async function everything({ rows }: MigratedDatabase): Promise<Thing[]> {
  const relations =
    await rows<Thing>(`select oid::regclass::text as name, oid::regclass::text as call from pg_class
    where relnamespace::regnamespace::text in ('risk', 'risk_bi', 'risk_internal') and relkind in ('r', 'p', 'v', 'm', 'f')`);
  const functions = await rows<{ name: string; types: string[] }>(`
    select format('%s.%s', pronamespace::regnamespace, proname) as name,
           array(select case when name = 'time_zone' then name else format_type(type, null) end
                   from unnest(proargtypes, proargnames[1:pronargs]) as a (type, name)) as types
      from pg_proc where pronamespace::regnamespace::text in ('risk', 'risk_bi', 'risk_internal')`);
  const values: Record<string, string[]> = {
    text: [`'${ACCOUNTS[0]}'`],
    'text[]': [`array['${ACCOUNTS.join("', '")}']`],
    time_zone: ["'Asia/Tokyo'"],
    bigint: ['1'],
    integer: ['1'],
    'timestamp with time zone': ["'2026-01-01T00:00:00Z'", 'now()'],
  };
  const calls = functions.map(({ name, types }) => {
    const given = types.map(
      (type, nth) => values[type]![type.startsWith('timestamp') && nth === types.length - 1 ? 1 : 0],
    );
    return { name, call: `${name}(${given.join(', ')})` };
  });
  return [...relations, ...calls];
}

/** Everything that the role may read, with the answers. Any error other than "permission denied" fails the test. */
export async function everyAnswer(db: MigratedDatabase, pool: Pool): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  for (const { name, call } of await everything(db)) {
    try {
      const { rows } = await pool.query<{ all: string }>(
        `select coalesce(jsonb_agg(t), '[]')::text as all from (select * from ${call} limit 500) t`,
      );
      answers.set(name, rows[0]!.all);
    } catch (error) {
      assert.equal((error as { code?: string }).code, '42501', `${name}: ${String(error)}`);
    }
  }
  return answers;
}

/** Two accounts with a row in every table and view, and personal data in every place that can hold it. */
export async function fill(pool: Pool): Promise<void> {
  const history = sampleHistory(pool);
  for (const accountId of ACCOUNTS) {
    const account_key = await history.account(accountId);
    const times = [
      '2026-01-01T10:00:00Z',
      '2026-01-02T10:00:00Z',
      '2026-01-03T10:00:00Z',
      '2026-01-04T10:00:00Z',
    ];
    for (const [nth, time] of times.entries()) {
      const snapshot_id = await history.snapshot(account_key, time, { is_baseline: nth === 0 });
      await pool.query(
        `insert into risk.snapshot_levels select $1, $2, level, 0, 0 from unnest(array['low', 'medium', 'high']) level`,
        [account_key, snapshot_id],
      );
    }
    const [first, second, third, fourth] = times as [string, string, string, string];
    const user_key = await history.user({
      account_key,
      user_id: `${accountId.slice(0, 8)}-0000-4000-8000-000000000000`,
      first_seen_at: first,
      max_risk_level: 'high',
      level_since: fourth,
    });
    const key = { account_key, user_key };
    await history.levels([
      {
        ...key,
        valid_from: first,
        valid_to: second,
        max_risk_level: 'low',
        change: 'appeared',
        end_reason: 'changed',
      },
      {
        ...key,
        valid_from: second,
        valid_to: third,
        max_risk_level: 'high',
        previous_level: 'low',
        change: 'raised',
        end_reason: 'reset',
      },
      { ...key, valid_from: fourth, max_risk_level: 'high', change: 'returned' },
    ]);
    await history.identities([{ ...key, valid_from: first, email: EMAIL, name: NAME }]);
    await pool.query(`insert into risk.user_activity values ($1, $2, $3, 1, $3, 1)`, [
      account_key,
      user_key,
      first,
    ]);
    await pool.query(
      `insert into risk.retention values ($1, 'activity', '2000-01-01Z', null, 7, '2026-01-01Z', 1)`,
      [account_key],
    );
    await history.rejected({ account_key, record_hash: 'ab', raw: `{"email":"${EMAIL}"}`, last_run_id: 1 });
  }
  await pool.query('analyze');
}
