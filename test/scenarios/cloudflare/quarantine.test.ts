// Records that cannot be accepted: their users keep the last good state, and the verdict does not suffer. The API is a
// server of this file over real HTTP. It knows who is really present, whatever it serves.
import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { listRejected } from '../../../src/queries/rejected/list-rejected.ts';
import type { RunResult } from '../../../src/sync/run-sync.ts';
import { listen } from '../../support/api/api-server.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { uuidOf } from '../../support/world/random-world.ts';
import { clientOf, runSyncOf } from '../../support/stage.ts';

type Person = { user_id: string; max_risk_level: string; event_count: number; last_event: string };
type Account = {
  id: string;
  people: Map<string, Person>;
  /** What is served about a person instead of the truth. */
  spoilt: Map<string, (truth: Person) => object>;
  /** The API refuses every page after the first. */
  breaksOff: boolean;
  sync(dryRun?: boolean): Promise<RunResult & { runId: number }>;
};

const unknownLevel = (truth: Person) => ({ ...truth, max_risk_level: 'critical' });
const VICTIM = uuidOf('user 7');

describe('a rejected record', { concurrency: false }, () => {
  let db: MigratedDatabase;
  before(async () => {
    db = await migratedDatabase();
  });
  after(() => db.close());

  async function account(t: TestContext, name: string, size: number): Promise<Account> {
    const id = name.repeat(32);
    const people = new Map(numbers(size).map((n) => [uuidOf(`user ${n}`), person(n)]));
    const spoilt: Account['spoilt'] = new Map();
    const baseUrl = await listen(t, (request, response) => {
      const url = new URL(request.url ?? '/', 'http://api');
      const last = url.pathname.split('/').at(-1) ?? '';
      const refused = self.breaksOff && Number(url.searchParams.get('page')) > 1;
      const answer = refused ? null : last === 'summary' ? page(url.searchParams) : ownRecord(last);
      const failure = {
        success: false,
        errors: [{ code: refused ? 9109 : 1002, message: 'no' }],
        result: null,
      };
      response.writeHead(refused ? 403 : answer === null ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer ?? failure));
    });
    function page(query: URLSearchParams): unknown {
      const [number, size] = [Number(query.get('page')), Number(query.get('per_page'))];
      const records = [...people.values()].map((truth) => spoilt.get(truth.user_id)?.(truth) ?? truth);
      const users = records.slice((number - 1) * size, number * size);
      return {
        success: true,
        result: { users },
        result_info: { page: number, per_page: size, total_count: people.size },
      };
    }
    function ownRecord(userId: string): unknown {
      const truth = people.get(userId);
      if (truth === undefined) return null;
      const events = [{ id: 'e', name: 'n', risk_level: truth.max_risk_level, timestamp: truth.last_event }];
      return { success: true, result: { events, risk_level: truth.max_risk_level, last_reset_time: null } };
    }
    const client = clientOf(t, baseUrl);
    const self: Account = {
      id,
      people,
      spoilt,
      breaksOff: false,
      async sync(dryRun = false) {
        const outcome = await runSyncOf(id, { pool: db.pool, client, settings: { perPage: 25 } }, { dryRun });
        return { ...outcome, runId: outcome.runId };
      },
    };
    return self;
  }

  /** Every row of one user, and the transactions that wrote it. */
  async function rowsOf(accountId: string, userId: string): Promise<unknown[]> {
    const tables = ['users', 'user_levels', 'user_identities', 'user_activity'].map(
      (
        table,
      ) => `select '${table}' as "table", h.ctid::text, h.xmin::text, h.xmax::text, to_jsonb(h)::text as row
        from risk.${table} h join risk.users u using (account_key, user_key) join risk.accounts a using (account_key)
       where a.account_id = $1 and u.user_id = $2`,
    );
    return db.rows(`${tables.join(' union all ')} order by 1, 2`, [accountId, userId]);
  }

  const stateOf = async (accountId: string, userId: string) => {
    const rows = await db.rows<Record<string, unknown>>(
      `select max_risk_level, event_count, absent_since, cleared_at from risk_bi.users where account_id = $1 and user_id = $2`,
      [accountId, userId],
    );
    return rows[0];
  };

  const quarantined = (accountId: string) =>
    db.rows<Record<string, unknown>>(
      `select user_id, reason, first_run_id::integer as first, last_run_id::integer as last
         from risk_internal.rejected_records join risk.accounts using (account_key) where account_id = $1`,
      [accountId],
    );

  const waiting = async (accountId: string) =>
    (await listRejected(db.pool, { all: false, limit: 10_000 })).rows
      .filter((row) => row.account_id === accountId)
      .map((row) => row.user_id);

  test('leaves its user unchanged, run after run, does not affect the verdict, and the user is up to date once the record is valid', async (t) => {
    const a = await account(t, 'a', 120);
    await a.sync();
    const untouched = await rowsOf(a.id, VICTIM);
    assert.equal(untouched.length, 4);
    a.spoilt.set(VICTIM, unknownLevel);
    // A new user with a bad record does not exist yet.
    const newcomer = uuidOf('newcomer');
    a.people.set(newcomer, { ...person(1), user_id: newcomer });
    a.spoilt.set(newcomer, (truth) => ({ ...truth, last_event: 'yesterday' }));
    const runs: number[] = [];
    for (const n of numbers(6)) {
      // Other users act, so that every run has something to write.
      const other = a.people.get(uuidOf(`user ${20 + n}`));
      if (other)
        a.people.set(other.user_id, { ...other, event_count: other.event_count + 1, max_risk_level: 'high' });
      const { published, error, facts, runId } = await a.sync();
      runs.push(runId);
      assert.equal(error, null);
      assert.deepEqual(
        [published?.verdict, published?.users, published?.met, published?.carried, published?.cleared],
        ['complete', 120, 119, 1, 0],
      );
      assert.equal(facts.rejected, 2);
      assert.deepEqual(await rowsOf(a.id, VICTIM), untouched);
      assert.equal((await stateOf(a.id, VICTIM))?.['absent_since'], null);
      assert.equal(await stateOf(a.id, newcomer), undefined);
    }
    assert.deepEqual(
      (await quarantined(a.id)).filter((row) => row['user_id'] === VICTIM),
      [{ user_id: VICTIM, reason: 'max_risk_level: unknown level', first: runs[0], last: runs[5] }],
    );
    assert.deepEqual((await waiting(a.id)).toSorted(), [VICTIM, newcomer].toSorted());

    a.spoilt.clear();
    const truth = { ...(a.people.get(VICTIM) ?? person(7)), max_risk_level: 'high', event_count: 99 };
    a.people.set(VICTIM, truth);
    const healed = await a.sync();
    assert.deepEqual(
      [
        healed.published?.verdict,
        healed.published?.users,
        healed.published?.carried,
        healed.published?.raised,
      ],
      ['complete', 121, 0, 1],
    );
    assert.deepEqual(await stateOf(a.id, VICTIM), {
      max_risk_level: 'high',
      event_count: 99,
      absent_since: null,
      cleared_at: null,
    });
    assert.equal((await stateOf(a.id, newcomer))?.['max_risk_level'], person(1).max_risk_level);
    assert.deepEqual(await waiting(a.id), []);
    assert.equal((await quarantined(a.id)).length, 2);
  });

  test('waits until a walk that reads all pages does not meet it, but not a dry run or an unfinished walk', async (t) => {
    const a = await account(t, 'd', 60);
    a.spoilt.set(VICTIM, unknownLevel);
    await a.sync();
    assert.equal((await a.sync(true)).error, null);
    assert.deepEqual(await waiting(a.id), [VICTIM]);
    a.spoilt.clear();
    const other = uuidOf('user 3');
    a.spoilt.set(other, unknownLevel);
    a.breaksOff = true;
    assert.equal((await a.sync()).error?.code, 'PERMISSION_DENIED');
    assert.equal((await a.sync(true)).error?.code, 'PERMISSION_DENIED');
    a.breaksOff = false;
    assert.equal((await a.sync(true)).error, null);
    assert.deepEqual((await waiting(a.id)).toSorted(), [VICTIM, other].toSorted());
    // Too many rejected records: nothing was published, but all pages were read.
    a.spoilt.clear();
    const many = numbers(22).map((n) => uuidOf(`user ${n + 30}`));
    for (const userId of many) a.spoilt.set(userId, unknownLevel);
    assert.equal((await a.sync()).error?.code, 'TOO_MANY_REJECTED');
    assert.deepEqual((await waiting(a.id)).toSorted(), many.toSorted());
  });

  test('without a readable user makes the walk partial: no user is cleared, and the user is carried', async (t) => {
    const a = await account(t, 'b', 60);
    await a.sync();
    a.spoilt.set(VICTIM, (truth) => ({ ...truth, user_id: 'user seven' }));
    for (const _ of numbers(3)) {
      const { published, error } = await a.sync();
      assert.equal(error, null);
      assert.deepEqual([published?.verdict, published?.users, published?.cleared], ['partial', 60, 0]);
    }
    assert.equal((await stateOf(a.id, VICTIM))?.['cleared_at'], null);
    assert.ok((await stateOf(a.id, VICTIM))?.['absent_since']);
    assert.deepEqual(await waiting(a.id), [null]);
    a.spoilt.clear();
    assert.equal((await a.sync()).published?.verdict, 'complete');
    assert.equal((await stateOf(a.id, VICTIM))?.['absent_since'], null);
  });

  const boundaries = [
    [20, 400, true],
    [21, 400, false],
    [19, 60, true],
    [20, 60, false],
  ] as const;
  for (const [index, [bad, of, published]] of boundaries.entries()) {
    test(`is one of ${bad} among ${of}: the run ${published ? 'publishes' : 'fails with TOO_MANY_REJECTED and publishes nothing'}`, async (t) => {
      const a = await account(t, String(index), of);
      const snapshots = async () =>
        (
          await db.rows(
            `select 1 from risk.snapshots join risk.accounts using (account_key) where account_id = $1`,
            [a.id],
          )
        ).length;
      await a.sync();
      const before = await snapshots();
      for (const n of numbers(bad)) a.spoilt.set(uuidOf(`user ${n}`), unknownLevel);
      const { error, facts } = await a.sync();
      assert.equal(error?.code ?? null, published ? null : 'TOO_MANY_REJECTED');
      assert.equal(facts.rejected, bad);
      assert.equal(await snapshots(), before + (published ? 1 : 0));
      assert.equal((await waiting(a.id)).length, bad);
    });
  }
});

function person(n: number): Person {
  return {
    user_id: uuidOf(`user ${n}`),
    max_risk_level: ['low', 'medium'][n % 2] ?? 'low',
    event_count: n + 1,
    last_event: `2026-01-${String((n % 28) + 1).padStart(2, '0')}T10:00:00Z`,
  };
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}
