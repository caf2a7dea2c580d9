// The state of all accounts, in one statement, compared with a plain reading of their runs. The statement skips lookups
// that the newest run already answers, so every kind of past must be tried.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { accountGauges } from '../../src/queries/accounts/account-gauges.ts';
import { listAccounts } from '../../src/queries/accounts/list-accounts.ts';
import { newestRuns } from '../../src/queries/runs/list-runs.ts';
import { readOnly } from '../../src/db/read-only.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

const PASTS = 60;
const FIRST = Date.parse('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;

/** How a run ended. `guard`: it published a partial snapshot, and failed. */
const ENDS = ['complete', 'partial', 'guard', 'refused', 'rejected', 'abandoned'] as const;
type End = (typeof ENDS)[number];
type Run = { id: number; end: End; notKept: number };
type Past = { key: number; accountId: string; runs: Run[]; waiting: number[] };

let db: MigratedDatabase;
const pasts: Past[] = [];

before(async () => {
  db = await migratedDatabase();
  const history = sampleHistory(db.pool);
  const ends = fc.array(fc.record({ end: fc.constantFrom(...ENDS), notKept: fc.nat(3) }), { maxLength: 7 });
  const drawn = fc.sample(ends, { numRuns: PASTS, seed: fc.readConfigureGlobal().seed ?? Date.now() });
  let id = 0;
  for (const [n, past] of drawn.entries()) {
    const key = await history.account(`account ${n}`);
    const runs = past.map((run) => ({ ...run, id: ++id }));
    // Met last by any of its runs.
    const waiting = runs.filter(({ id: one }) => one % 2 === 0).map(({ id: one }) => one);
    pasts.push({ key, accountId: `account ${n}`, runs, waiting });
  }
  await insert();
});

after(() => db.close());

async function insert(): Promise<void> {
  const rows = pasts.flatMap(({ key, runs }) =>
    runs.map((run) => ({ key, at: iso(run.id), ...columns(run), ...run })),
  );
  const json = [JSON.stringify(rows)];
  await db.rows(
    `insert into risk.snapshots (account_key, snapshot_id, observed_at, verdict, is_baseline, user_count, met_count,
       carried_count, event_count, appeared, raised, lowered, cleared, returned)
     select key, id, at, verdict, false, id, id, 0, 0, 0, 0, 0, 0, 0
       from jsonb_to_recordset($1::jsonb) r (key integer, id bigint, at timestamptz, verdict text) where verdict is not null`,
    json,
  );
  await db.rows(
    `insert into risk.snapshot_levels (account_key, snapshot_id, max_risk_level, user_count, event_count)
     select account_key, snapshot_id, level, snapshot_id, 0
       from risk.snapshots, unnest(array['low', 'medium', 'high']) level`,
  );
  await db.rows(
    `insert into risk.sync_runs (account_key, run_id, trigger, status, verdict, started_at, finished_at, host, error_code,
       snapshot_id, feed_id, evidence)
     select key, id, 'cron', status, verdict, at, at, 'a-host', code, case when verdict is not null then id end, id,
            case when "notKept" = 0 then '{}' else jsonb_build_object('rejected_not_kept', jsonb_build_object('a: missing', "notKept")) end
       from jsonb_to_recordset($1::jsonb)
            r (key integer, id bigint, at timestamptz, status text, verdict text, code text, "notKept" integer)`,
    json,
  );
  await db.rows(
    `insert into risk_internal.rejected_records (account_key, record_hash, reason, raw, first_seen_at, last_seen_at, first_run_id, last_run_id)
     select key, 'hash ' || id, 'a: missing', '{}', now(), now(), id, id
       from jsonb_to_recordset($1::jsonb) r (key integer, id bigint)`,
    [JSON.stringify(pasts.flatMap(({ key, waiting }) => waiting.map((id) => ({ key, id }))))],
  );
}

function columns({ end }: Run): { status: string; verdict: string | null; code: string | null } {
  if (end === 'complete' || end === 'partial') return { status: 'succeeded', verdict: end, code: null };
  if (end === 'guard') return { status: 'failed', verdict: 'partial', code: 'MASS_CLEAR' };
  if (end === 'rejected') return { status: 'failed', verdict: null, code: 'TOO_MANY_REJECTED' };
  if (end === 'refused') return { status: 'failed', verdict: null, code: 'PERMISSION_DENIED' };
  return { status: 'abandoned', verdict: null, code: 'ABANDONED' };
}

const iso = (id: number) => new Date(FIRST + id * HOUR).toISOString();
const seconds = (id: number | undefined) => (id === undefined ? null : (FIRST + id * HOUR) / 1000);

/** By the definitions alone. */
function expected({ runs, waiting }: Past) {
  const newest = (is: (run: Run) => boolean) => runs.findLast(is);
  const since = (run: Run | undefined, is: (one: Run) => boolean) =>
    runs.filter((one) => one.id > (run?.id ?? 0) && is(one)).length;
  const succeeded = ({ end }: Run) => end === 'complete' || end === 'partial';
  const published = (run: Run) => succeeded(run) || run.end === 'guard';
  const success = newest(succeeded);
  const complete = newest(({ end }) => end === 'complete');
  const snapshot = newest(published);
  const whole = newest((run) => published(run) || run.end === 'rejected');
  const partials = since(complete, ({ end }) => end === 'partial' || end === 'guard');
  return {
    snapshot: snapshot?.id,
    success: success?.id,
    complete: complete?.id,
    failed: since(success, (run) => !succeeded(run)),
    partials,
    waiting: waiting.filter((id) => id >= (whole?.id ?? 0)).length,
    notKept: whole?.notKept ?? 0,
  };
}

test('a scrape agrees with the runs of every past', async () => {
  const found = await readOnly(db.pool, { statementMs: 60_000, lockMs: 60_000 }, accountGauges);
  assert.equal(found.length, PASTS);
  for (const past of pasts) {
    const want = expected(past);
    const { added_at: _, ...got } = found.find(({ account_id }) => account_id === past.accountId)!;
    const { snapshot } = want;
    assert.deepEqual(
      got,
      {
        account_id: past.accountId,
        users: snapshot === undefined ? {} : { low: snapshot, medium: snapshot, high: snapshot },
        users_carried: snapshot === undefined ? null : 0,
        observed_at: seconds(snapshot),
        last_success_at: seconds(want.success),
        last_complete_at: seconds(want.complete),
        failed_runs: want.failed,
        partial_runs: want.partials,
        rejected_waiting: want.waiting,
        rejected_not_kept: want.notKept,
        pruned_rows: {},
        last_prune_at: null,
        lease_started_at: null,
        lease_heartbeat_age: null,
      },
      JSON.stringify(past),
    );
  }
});

test('status agrees with the runs of every past', async () => {
  const found = await listAccounts(db.pool);
  for (const past of pasts) {
    const want = expected(past);
    const got = found.find(({ account_id }) => account_id === past.accountId)!;
    assert.deepEqual(
      [got.snapshot_id, got.failures_since, got.partials_since, got.rejected_waiting, got.rejected_not_kept],
      [want.snapshot ?? null, want.failed, want.partials, want.waiting, want.notKept],
      JSON.stringify(past),
    );
    assert.equal(
      got.complete_at?.getTime() ?? null,
      want.complete === undefined ? null : FIRST + want.complete * HOUR,
    );
  }
});

test('the newest runs of all accounts are those of each account, in one statement', async () => {
  const found = await newestRuns(
    db.pool,
    pasts.map(({ key }) => key),
    3,
  );
  for (const { accountId, runs } of pasts)
    assert.deepEqual(
      (found.get(accountId) ?? []).map(({ run_id, account_id }) => [account_id, run_id]),
      runs
        .toReversed()
        .slice(0, 3)
        .map(({ id }) => [accountId, id]),
    );
});
