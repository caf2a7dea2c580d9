// A dry run reads everything and changes nothing: no row of users or history, no sequence, no value of the feed clock.
// The next run does what the dry run announced. On a separate server, so that no other test writes WAL.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Pool } from '../../../src/db/pool.ts';
import { startStillServer, type StillServer } from '../../support/database/servers/still-server.ts';
import { rowsOfHistory } from '../../support/database/rows-of-history.ts';
import {
  personOf,
  servedAccount,
  type ServedAccount,
  type SyncOver,
} from '../../support/api/served-account.ts';

let server: StillServer;
let pool: Pool;
before(async () => {
  server = await startStillServer();
  ({ pool } = server);
});
after(() => server.stop());

/** Everything except the lease, the account's row, run ids, and rejected records, which a dry run also keeps. */
async function state({ id }: ServedAccount): Promise<unknown> {
  const rows = async (text: string) => (await pool.query<object>(text)).rows;
  const tables = [
    'risk.snapshots',
    'risk.snapshot_levels',
    'risk.sync_runs',
    'risk_internal.lookups',
    'risk_internal.account_writers',
    'risk_internal.feed_clock',
    'risk_internal.staged_changes',
  ];
  const digests = tables.map(
    (table) =>
      `select '${table}' as table, count(*)::integer as rows, md5(string_agg(concat_ws(' ', t.ctid, t.xmin, t.xmax, t), ',' order by t.ctid)) as touched from ${table} t`,
  );
  const history = await rowsOfHistory(pool);
  // The first claim of an account adds it.
  delete history['risk_internal.account_keys_account_key_seq'];
  return { id, history, rest: await rows(digests.join(' union all ')) };
}

const position = async () =>
  (await pool.query<{ at: string }>('select pg_current_wal_insert_lsn() as at')).rows[0]!.at;

async function walSince(from: string): Promise<number> {
  const { rows } = await pool.query<{ bytes: string }>(
    'select pg_current_wal_insert_lsn() - $1::pg_lsn as bytes',
    [from],
  );
  return Number(rows[0]?.bytes);
}

/** A dry run that changes nothing, then the real run, which does what the dry run announced. */
async function dryThenReal(account: ServedAccount, over: SyncOver = {}) {
  const before = await state(account);
  const from = await position();
  const dry = await account.sync({ ...over, dryRun: true });
  const wal = await walSince(from);
  assert.deepEqual(await state(account), before);
  const real = await account.sync(over);
  assert.equal(dry.error?.code, real.error?.code);
  const said =
    dry.published === null ? null : { ...dry.published, snapshotId: null, guard: dry.published.guard?.code };
  const done =
    real.published === null
      ? null
      : { ...real.published, snapshotId: null, guard: real.published.guard?.code };
  assert.deepEqual(said, done);
  assert.equal(dry.published?.snapshotId ?? null, null);
  // The run and the snapshot mean the same by met.
  if (real.published !== null) assert.equal(real.facts.usersMet, real.published.met);
  assert.deepEqual(
    [dry.facts.usersMet, dry.facts.rejected, dry.facts.lookups, dry.facts.duplicates],
    [real.facts.usersMet, real.facts.rejected, real.facts.lookups, real.facts.duplicates],
  );
  return { real, wal };
}

test('announces a first load, changes, absences and returns, and writes none of them', async (t) => {
  const account = servedAccount(pool, 3_000);
  await account.sync({ dryRun: true });
  // The first write to a page after a checkpoint logs the whole page.
  const first = await dryThenReal(account);
  assert.equal(first.real.published?.appeared, 3_000);

  account.people = account.people.map((user, n) =>
    n % 4 === 0 ? { ...user, name: `Other ${n}`, max_risk_level: 'high', event_count: 90 } : user,
  );
  const [gone] = [account.people.splice(100, 50)];
  account.people.push(personOf(account.id, 7_000));
  const changed = await dryThenReal(account, { settings: { confirmLookups: 30 } });
  assert.deepEqual([changed.real.published?.cleared, changed.real.published?.appeared], [30, 1]);
  // Every fourth of those who are still listed: 750 without 13.
  assert.deepEqual([changed.real.published?.renamed, changed.real.published?.activityChanged], [737, 737]);
  await dryThenReal(account);

  account.people.push(...gone);
  const back = await dryThenReal(account, {
    beside: [
      { user_id: 'unreadable' },
      { ...personOf(account.id, 3), event_count: -1 },
      { ...personOf(account.id, 8_000), event_count: -1 },
    ],
  });
  assert.equal(back.real.published?.returned, 50);
  for (const { wal } of [first, changed, back]) {
    t.diagnostic(`${wal} bytes of WAL`);
    assert.ok(wal < 100_000, `${wal} bytes of WAL`);
  }
});

test('fails like the real run, and also writes nothing', async () => {
  const account = servedAccount(pool, 200);
  await account.sync();
  const everyone = account.people;
  account.people = [];
  await dryThenReal(account);
  account.people = everyone.slice(0, 50);
  const { real } = await dryThenReal(account, { settings: { confirmLookups: 1_000 } });
  assert.equal(real.error?.code, 'MASS_CLEAR');
  account.people = everyone;
  await dryThenReal(account, {
    beside: Array.from({ length: 300 }, () => ({ ...everyone[0], event_count: -1 })),
  });
  // A dry run also refuses a broken history.
  const { error } = await account.sync();
  assert.equal(error, null);
  await pool.query(`update risk.users set event_count = event_count + 1 where user_id = $1`, [
    everyone[0]!.user_id,
  ]);
  const before = await state(account);
  assert.equal((await account.sync({ dryRun: true })).error?.code, 'STATE_BROKEN');
  assert.deepEqual(await state(account), before);
});
