// P5: a walk in which nothing changed touches no user or history row, not even xmin, xmax, a sequence or a page of WAL.
// On a separate server, because the write-ahead log belongs to the whole server, and other tests also write.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { CloudflareClient } from '../../../src/cloudflare/client.ts';
import type { Pool } from '../../../src/db/pool.ts';
import type { RunResult } from '../../../src/sync/run-sync.ts';
import { startStillServer, type StillServer } from '../../support/database/servers/still-server.ts';
import { uuidOf } from '../../support/world/random-world.ts';
import { rowsOfHistory } from '../../support/database/rows-of-history.ts';
import { serveRecords } from '../../support/api/serve-records.ts';
import { runSyncOf } from '../../support/stage.ts';

/** 100,000 in `npm run test:long`. One row written per user would already exceed the limit at 20,000. */
const LARGE = Number(process.env['QUIET_USERS'] ?? 20_000);
const WAL_LIMIT = 100_000;

let server: StillServer;
let pool: Pool;
before(async () => {
  server = await startStillServer();
  ({ pool } = server);
});
after(() => server.stop());

test('leaves every row of users and history unchanged when nothing changed, in whatever form it is served', async () => {
  const account = 'a'.repeat(32);
  const everyone = numbers(250).map((n) => record(n));
  await sync(account, everyone, 100);
  const before = await rowsOfHistory(pool);
  const same = await sync(account, everyone, 100);
  // Another order, another page size, the same instants with another offset, ids in capitals.
  const respelled = everyone.toReversed().map((user) => ({
    ...user,
    user_id: user.user_id.toUpperCase(),
    last_event: user.last_event.replace('T10:', 'T15:').replace('Z', '+05:00'),
  }));
  const reordered = await sync(account, respelled, 30);
  assert.deepEqual(await rowsOfHistory(pool), before);
  for (const { published } of [same, reordered]) {
    assert.ok(published?.snapshotId != null);
    assert.deepEqual([published.verdict, published.users, published.met], ['complete', 250, 250]);
  }
});

test('leaves every row unchanged when a partial walk misses the same users as the last one', async () => {
  const account = 'b'.repeat(32);
  const everyone = numbers(60).map((n) => record(n));
  // Half of the users are absent, one is rejected, and one never existed.
  const half = [...everyone.slice(30), { ...record(20), max_risk_level: 'extreme' }, { user_id: 'nobody' }];
  await sync(account, everyone, 25);
  const first = await sync(account, half, 25, everyone.length);
  const before = await rowsOfHistory(pool);
  const second = await sync(account, half, 25, everyone.length);
  assert.deepEqual(await rowsOfHistory(pool), before);
  for (const { published } of [first, second])
    assert.deepEqual([published?.verdict, published?.users, published?.met], ['partial', 60, 30]);
  const { rows } = await pool.query(
    `select count(*)::integer as absent from risk.users join risk.accounts using (account_key)
      where account_id = $1 and absent_since is not null`,
    [account],
  );
  assert.deepEqual(rows, [{ absent: 29 }]);
});

test('a dry run in which every user has changed touches no row, no clock and no sequence, and writes almost no WAL', async () => {
  const account = 'd'.repeat(32);
  const [all, gone, fresh] = [3_000, 10, 500];
  await sync(account, numbers(all), 1_000);
  // One user is already absent, and one waits for an answer. The questions that are asked are also not kept.
  await sync(account, numbers(all - 1), 1_000, all);
  const changed = numbers(all + fresh)
    .slice(gone)
    .map((n) => ({ ...record(n), email: `other${n}@example.com`, max_risk_level: 'high', event_count: 99 }));
  await pool.query('vacuum (freeze, analyze)');
  // The first read of the new statistics marks them as committed, which logs pages of the catalogue.
  await sync(account, numbers(LARGE), 1_000, LARGE, true);
  await pool.query('checkpoint');
  const before = await everything();
  const { result, wal } = await timed(() => sync(account, changed, 1_000, changed.length, true));
  assert.deepEqual(await everything(), before);
  const { published } = result;
  assert.ok(published !== null && published.snapshotId === null);
  assert.deepEqual([published.appeared, published.met, published.carried], [fresh, all + fresh - gone, gone]);
  assert.ok(published.raised > 1_900);
  assert.ok(wal < WAL_LIMIT, `${wal} bytes of WAL`);
  // The same changes, published.
  const real = await timed(() => sync(account, changed, 1_000));
  assert.ok(real.result.published?.snapshotId != null);
  assert.deepEqual({ ...real.result.published, snapshotId: null }, published);
  assert.ok(real.wal > 10 * WAL_LIMIT, `${real.wal} bytes of WAL: the limit proves nothing`);
});

test(`writes under ${WAL_LIMIT / 1000} kB of WAL for an unchanged account of ${LARGE} users`, async (t) => {
  const account = 'c'.repeat(32);
  const load = await timed(() => sync(account, numbers(LARGE), 1_000));
  assert.equal(load.result.published?.appeared, LARGE);
  const history = await rowsOfHistory(pool);
  // The worst case, for comparison: the first read of new rows marks them as committed, which logs their pages whole.
  await pool.query('checkpoint');
  const first = await timed(() => sync(account, numbers(LARGE), 1_000));
  await pool.query('vacuum (freeze, analyze)');
  // The first read of the new statistics marks them as committed, which logs pages of the catalogue.
  await sync(account, numbers(LARGE), 1_000, LARGE, true);
  await pool.query('checkpoint');
  // After a checkpoint, the first write to a page logs the whole page: a few pages of bookkeeping, none of history.
  const second = await timed(() => sync(account, numbers(LARGE), 1_000));
  const third = await timed(() => sync(account, numbers(LARGE), 1_000));
  assert.deepEqual(await rowsOfHistory(pool), history);
  t.diagnostic(`first load: ${load.ms} ms, ${load.wal} bytes of WAL`);
  t.diagnostic(`quiet walk after a checkpoint without a vacuum: ${first.ms} ms, ${first.wal} bytes`);
  t.diagnostic(`quiet walk after vacuum and checkpoint: ${second.ms} ms, ${second.wal} bytes`);
  t.diagnostic(`and once more: ${third.ms} ms, ${third.wal} bytes`);
  for (const { wal } of [second, third]) assert.ok(wal < WAL_LIMIT, `${wal} bytes of WAL`);
});

/**
 * `total`: the total that the API states, if it differs. A number stands for the record of that number, made on
 * request.
 */
async function sync(
  accountId: string,
  people: readonly (number | object)[],
  perPage: number,
  total = people.length,
  dryRun = false,
): Promise<RunResult> {
  const outcome = await runSyncOf(
    accountId,
    {
      pool,
      client: { summaryPage: serve(people, total), lookUpUser: insist },
      settings: { perPage, timeBudgetMs: 120_000 },
    },
    { dryRun },
  );
  assert.equal(outcome.error, null);
  return outcome;
}

/** Where every row that a publish writes is stored, and the transactions that wrote it. */
async function everything(): Promise<Record<string, unknown>> {
  const state: Record<string, unknown> = await rowsOfHistory(pool);
  for (const table of [
    'risk.sync_runs',
    'risk.snapshots',
    'risk.snapshot_levels',
    'risk_internal.feed_clock',
    'risk_internal.account_writers',
    'risk_internal.lookups',
    'risk_internal.leases',
  ]) {
    const { rows } = await pool.query<object>(
      `select count(*)::integer as rows, md5(string_agg(concat_ws(' ', t.ctid, t.xmin, t.xmax), ',' order by t.ctid)) as touched from ${table} t`,
    );
    state[table] = rows[0];
  }
  const { rows } = await pool.query(`select pg_relation_size('risk_internal.staged_changes') as bytes`);
  state['staged'] = rows;
  return state;
}

/** Whose record is asked about. Filled as records are made. */
const numberOf = new Map<string, number>();

/** Every user's own record says that the user still has a level. */
const insist: CloudflareClient['lookUpUser'] = async ({ userId }) => {
  const { email, name } = record(numberOf.get(userId)!);
  return {
    email,
    name,
    riskLevel: 'low',
    lastResetTime: null,
    newestEvent: null,
    hasUnreadableEvents: false,
  };
};

function serve(people: readonly (number | object)[], total: number): CloudflareClient['summaryPage'] {
  return ({ page, perPage, openReader }) => {
    const records = people
      .slice((page - 1) * perPage, page * perPage)
      .map((one) => (typeof one === 'number' ? record(one) : one));
    return serveRecords(records, { page, per_page: perPage, total_count: total }, openReader);
  };
}

function record(n: number) {
  const userId = uuidOf(`user ${n}`);
  numberOf.set(userId, n);
  return {
    user_id: userId,
    email: n % 7 === 0 ? null : `user${n}@example.com`,
    name: n % 11 === 0 ? null : `User "${n}"\t\\N`,
    max_risk_level: ['low', 'medium', 'high'][n % 3],
    event_count: n % 50,
    last_event: `2026-01-${String((n % 28) + 1).padStart(2, '0')}T10:00:00.${String(n % 1_000_000).padStart(6, '0')}Z`,
  };
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

async function timed(work: () => Promise<RunResult>) {
  const position = async () =>
    (await pool.query<{ at: string }>('select pg_current_wal_insert_lsn() as at')).rows[0]?.at;
  const [from, began] = [await position(), performance.now()];
  const result = await work();
  const ms = Math.round(performance.now() - began);
  const { rows } = await pool.query<{ bytes: string }>('select $1::pg_lsn - $2::pg_lsn as bytes', [
    await position(),
    from,
  ]);
  return { result, ms, wal: Number(rows[0]?.bytes) };
}
