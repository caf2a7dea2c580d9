// Questions that read in batches give every row once and in order, also where a batch ends within an account.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isNull } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { userIdentities } from '../../src/db/schema.ts';
import { personActivity } from '../../src/queries/people/person-history.ts';
import { rejectedTexts } from '../../src/queries/people/rejected-texts.ts';
import { runTexts } from '../../src/queries/people/run-texts.ts';
import { waitingRaw } from '../../src/queries/rejected/waiting-raw.ts';
import { matchIdentities } from '../../src/queries/users/match-identities.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

let db: MigratedDatabase;
let one: number;
let two: number;
before(async () => {
  db = await migratedDatabase();
  const history = sampleHistory(db.pool);
  [one, two] = [await history.account('one'), await history.account('two')];
});
after(() => db.close());

async function all<Row>(rows: AsyncIterable<Row>): Promise<Row[]> {
  const read: Row[] = [];
  for await (const row of rows) read.push(row);
  return read;
}

test('the activity of a user is read whole, to the microsecond, and nothing of another user', async () => {
  await db.rows(
    `insert into risk.user_activity (account_key, user_key, observed_at, event_count, last_event, snapshot_id)
     select key, n % 2 + 1, '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 microsecond', n, '2025-12-31T00:00:00Z', 1
       from generate_series(0, 21000) n, unnest($1::integer[]) key`,
    [[one, two]],
  );
  const rows = await all(personActivity(drizzle(db.pool), { account_key: one, user_key: 1 }));
  assert.deepEqual(
    rows.map(({ event_count }) => event_count),
    Array.from({ length: 10_501 }, (_, n) => 2 * n),
  );
  assert.equal(rows[5_000]!.observed_at, '2026-01-01T00:00:00.010000Z');
});

test('the rejected records of all accounts are read once each, including those that wait', async () => {
  await db.rows(
    `insert into risk_internal.rejected_records
       (account_key, record_hash, reason, raw, first_run_id, last_run_id, first_seen_at, last_seen_at)
     select key, encode(sha256(n::text::bytea), 'hex'), 'email: not text', key || ' ' || n, 1, 1, now(), now()
       from generate_series(1, 1500) n, unnest($1::integer[]) key`,
    [[one, two]],
  );
  const stored = await db.rows<{ account_key: number; record_hash: string; raw: string }>(
    'select account_key, record_hash, raw from risk_internal.rejected_records order by account_key, record_hash collate "C"',
  );
  const pool = drizzle(db.pool);
  const of = (account_key: number) => stored.filter((row) => row.account_key === account_key);
  const raws = (rows: readonly { raw: string }[]) => rows.map(({ raw }) => raw);
  assert.equal(stored.length, 3_000);
  assert.deepEqual(raws(await all(rejectedTexts(pool))), raws(stored));
  assert.deepEqual(raws(await all(waitingRaw(pool, {}))), raws(stored));
  assert.deepEqual(raws(await all(waitingRaw(pool, { accountKeys: [two] }))), raws(of(two)));
});

test('the texts of runs are read once each, and only of runs that have texts', async () => {
  await db.rows(
    `insert into risk.sync_runs (account_key, run_id, trigger, status, started_at, finished_at, host, error_code, error_message, feed_id, evidence)
     select key, n, 'cron', 'failed', now(), now(), 'a-host', 'NETWORK', case when n % 3 = 0 then null else n::text end, n,
            case when n % 3 = 0 and n % 2 = 0 then '{"unknown_fields": ["x"]}'::jsonb else '{}'::jsonb end
       from generate_series(1, 3000) n, unnest($1::integer[]) key`,
    [[one, two]],
  );
  const stored = await db.rows<{ account_key: number; run_id: number }>(
    `select account_key, run_id::float8 as run_id from risk.sync_runs
      where run_id % 3 <> 0 or run_id % 2 = 0 order by account_key, run_id`,
  );
  assert.deepEqual(
    (await all(runTexts(drizzle(db.pool)))).map(({ account_key, run_id }) => ({ account_key, run_id })),
    stored,
  );
});

test('every user is compared with what a person searches for', async () => {
  await db.rows(
    `insert into risk.user_identities (account_key, user_key, valid_from, valid_to, email, name, snapshot_id)
     select key, n, '2026-01-01T00:00:00Z', null, n || '@example.com', null, 1
       from generate_series(1, 7000) n, unnest($1::integer[]) key`,
    [[one, two]],
  );
  const match = (accountKeys: number[] | undefined, email: RegExp) =>
    matchIdentities(
      drizzle(db.pool),
      { accountKeys, versions: isNull(userIdentities.valid_to) },
      (one_) => one_.name === null && email.test(one_.email ?? ''),
    );
  const keys = (account_key: number) =>
    Array.from({ length: 7_000 }, (_, n) => ({ account_key, user_key: n + 1 }));
  assert.deepEqual(await match(undefined, /./), [...keys(one), ...keys(two)]);
  assert.deepEqual(await match([two], /^(4999|5000|5001|7000)@/), [
    { account_key: two, user_key: 4999 },
    { account_key: two, user_key: 5000 },
    { account_key: two, user_key: 5001 },
    { account_key: two, user_key: 7000 },
  ]);
});
