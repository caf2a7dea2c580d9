import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { Client } from 'pg';
import { CommitUnknown, DEFAULT_LIMITS, inTransaction } from '../../src/db/transaction.ts';
import { createPool, type Pool } from '../../src/db/pool.ts';
import { databaseError } from '../../src/db/database-errors.ts';
import { OperatorError } from '../../src/errors.ts';
import { createTestDatabase, type TestDatabase } from '../support/database/test-database.ts';
import { startCutProxy, type CutProxy } from '../support/faults/cut-proxy.ts';
import { startFaultProxy } from '../support/faults/fault-proxy.ts';
import { testPool } from '../support/database/migrated-database.ts';

const LIMITS = { lockMs: 1_234, idleMs: 2_345, statementMs: 3_456 };

describe('inTransaction', () => {
  let database: TestDatabase;
  let pool: Pool;
  before(async () => {
    database = await createTestDatabase();
    pool = testPool(database.url);
    await pool.query('create table kept (n integer primary key)');
  });
  beforeEach(async () => {
    await pool.query('truncate kept');
  });
  after(async () => {
    await pool.end();
    await database.drop();
  });

  const kept = async () =>
    (await pool.query<{ n: number }>('select n from kept order by n')).rows.map((row) => row.n);

  const settings = sql`select current_setting('lock_timeout') as lock, current_setting('statement_timeout') as statement,
    current_setting('idle_in_transaction_session_timeout') as idle, current_setting('transaction_isolation') as isolation`;

  test('commits the work, and returns its result', async () => {
    assert.equal(
      await inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
        await tx.execute(sql`insert into kept values (1)`);
        return 'result';
      }),
      'result',
    );
    assert.deepEqual(await kept(), [1]);
  });

  test('names who holds the lock that it did not get in time, also at the end of a queue', async () => {
    const open = async (application_name: string) => {
      const client = new Client({ connectionString: database.url, application_name });
      await client.connect();
      return client;
    };
    const [holder, queued] = [await open('a\u001bneighbour'), await open('in between')];
    try {
      const { rows } = await holder.query<{ pid: number }>(`select pg_backend_pid() as pid`);
      await holder.query('begin; lock table kept in access share mode');
      const queueing = queued.query('begin; lock table kept in access exclusive mode').catch(() => undefined);
      // The connection that asks is already open, so that a slow machine still asks in time.
      await Promise.all([1, 2, 3].map(() => pool.query('select pg_sleep(0.05)')));
      const wait = async (limits: typeof LIMITS) => {
        const error = await inTransaction(pool, limits, (tx) =>
          tx.execute(sql`insert into kept values (1)`),
        ).catch(databaseError);
        assert.ok(error instanceof OperatorError);
        assert.deepEqual([error.code, error.exit], ['DATABASE_BUSY', 75]);
        assert.match(
          error.happened,
          /held by process \d+ \(user \w+, application a\S+neighbour, in a transaction since 2\d{3}-[-\d: ]+ UTC\)$/,
        );
        assert.ok(error.happened.includes(`process ${rows[0]!.pid} `) && !error.happened.includes('\u001b'));
        assert.ok(error.todo.includes(`select pg_terminate_backend(${rows[0]!.pid});`));
      };
      await Promise.all([
        wait({ ...LIMITS, lockMs: 4_000 }),
        // The limit of the statement is reached first.
        wait({ ...LIMITS, lockMs: 4_000, statementMs: 3_700 }),
      ]);
      await holder.query('rollback');
      await queueing;
    } finally {
      await Promise.all([holder.end(), queued.end()]);
    }
  });

  test('rolls back when the work throws, and throws the same error', async () => {
    const reason = new Error('of no use');
    await assert.rejects(
      inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
        await tx.execute(sql`insert into kept values (1)`);
        throw reason;
      }),
      (error) => error === reason,
    );
    assert.deepEqual(await kept(), []);
    assert.deepEqual([pool.totalCount, pool.idleCount], [pool.idleCount, pool.totalCount]);
  });

  test("rolls back when a statement failed, and throws the server's error", async () => {
    await assert.rejects(
      inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
        await tx.execute(sql`insert into kept values (1)`);
        await tx.execute(sql`select 1 / 0`);
      }),
      (error: Error) => (error.cause as { code?: string }).code === '22012',
    );
    assert.deepEqual(await kept(), []);
  });

  test('does not report success when a failed statement was ignored and COMMIT rolled back', async () => {
    const outcome = await inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
      await tx.execute(sql`insert into kept values (1)`);
      await tx.execute(sql`select 1 / 0`).catch(() => undefined);
      return 'done';
    }).catch((error: unknown) => error);
    assert.ok(outcome instanceof Error, `said ${String(outcome)} with ${(await kept()).length} rows kept`);
  });

  test('sets its limits for itself alone: afterwards the same connection is without them', async (t) => {
    const single = testPool(database.url, 1);
    t.after(() => single.end());
    const { rows: before } = await single.query('select current_setting($1) as lock', ['lock_timeout']);
    const inside = await inTransaction(single, LIMITS, async (tx) => (await tx.execute(settings)).rows);
    const expected = { lock: '1234ms', statement: '3456ms', idle: '2345ms', isolation: 'read committed' };
    assert.deepEqual(inside, [expected]);
    const { rows: afterwards } = await single.query(
      `select current_setting('lock_timeout') as lock, current_setting('statement_timeout') as statement,
              current_setting('idle_in_transaction_session_timeout') as idle`,
    );
    assert.deepEqual(afterwards, [{ lock: (before[0] as { lock: string }).lock, statement: '0', idle: '0' }]);
    assert.equal(single.totalCount, 1);
  });

  test('enforces each limit: lock, statement, silence', async () => {
    const holder = await pool.connect();
    await holder.query('begin');
    await holder.query('lock table kept');
    const codeOf = (limits: Partial<typeof LIMITS>, work: Parameters<typeof inTransaction>[2]) =>
      inTransaction(pool, { ...DEFAULT_LIMITS, ...limits }, work).then(
        () => 'none',
        (error: unknown) => databaseError(error)?.code,
      );
    const codes = await Promise.all([
      codeOf({ lockMs: 50 }, (tx) => tx.execute(sql`select from kept`)),
      codeOf({ statementMs: 50 }, (tx) => tx.execute(sql`select pg_sleep(5)`)),
      codeOf({ idleMs: 50 }, async (tx) => {
        await sleep(400);
        await tx.execute(sql`select 1`);
      }),
    ]);
    await holder.query('rollback');
    holder.release();
    assert.deepEqual(codes, ['DATABASE_BUSY', 'DATABASE_SLOW', 'DATABASE_UNAVAILABLE']);
  });

  test('throws when its backend is killed during the work, and the pool goes on working', async () => {
    const failed = await inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
      await tx.execute(sql`insert into kept values (1)`);
      const { rows } = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
      await pool.query('select pg_terminate_backend($1, 5000)', [rows[0]?.pid]);
      await sleep(20);
      await tx.execute(sql`insert into kept values (2)`);
    }).catch((error: unknown) => error);
    assert.equal(databaseError(failed)?.code, 'DATABASE_UNAVAILABLE');
    assert.ok(!(failed instanceof CommitUnknown));
    assert.deepEqual(await kept(), []);
    await inTransaction(pool, DEFAULT_LIMITS, (tx) => tx.execute(sql`insert into kept values (3)`));
    assert.deepEqual(await kept(), [3]);
  });

  test('leaves the outcome unknown, and no row behind, when its backend is killed before COMMIT', async () => {
    await assert.rejects(
      inTransaction(pool, DEFAULT_LIMITS, async (tx) => {
        await tx.execute(sql`insert into kept values (1)`);
        const { rows } = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
        await pool.query('select pg_terminate_backend($1, 5000)', [rows[0]?.pid]);
      }),
      CommitUnknown,
    );
    assert.deepEqual(await kept(), []);
  });

  test('warns about killed idle connections, and replaces them', async (t) => {
    const warnings: unknown[] = [];
    const idle = createPool({
      url: database.url,
      max: 3,
      logger: { warn: (m: unknown) => void warnings.push(m) } as never,
    });
    t.after(() => idle.end());
    const pids = await Promise.all(
      [1, 2, 3].map(
        async () =>
          (await idle.query<{ pid: number }>('select pg_backend_pid() as pid, pg_sleep(0.05)')).rows[0]?.pid,
      ),
    );
    assert.equal(new Set(pids).size, 3);
    await pool.query('select pg_terminate_backend(pid, 5000) from unnest($1::integer[]) pid', [pids]);
    await sleep(50);
    assert.equal(warnings.length, 3);
    await inTransaction(idle, DEFAULT_LIMITS, (tx) => tx.execute(sql`insert into kept values (4)`));
    assert.deepEqual(await kept(), [4]);
  });

  test('closes a connection that goes silent during the work at once, without waiting for ROLLBACK', async (t) => {
    const proxy = await startFaultProxy(database.url);
    const slow = createPool({ url: proxy.url, queryTimeoutMs: 200, logger: { warn() {} } });
    t.after(async () => {
      await slow.end();
      await proxy.close();
    });
    const said: unknown[] = [];
    const work = inTransaction(slow, DEFAULT_LIMITS, async (tx, client) => {
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      client.query = ((...args: unknown[]) => {
        said.push(args[0]);
        return query(...args);
      }) as typeof client.query;
      proxy.stall();
      await tx.execute(sql`select 1`);
    });
    await assert.rejects(work, (error: Error) => /Query read timeout/.test(String(error.cause)));
    assert.equal(said.length, 1);
    assert.equal(slow.totalCount, 0);
  });

  test('throws the error of a constraint that fails at COMMIT: the outcome is known', async () => {
    await pool.query(
      'create table if not exists deferred (n integer references kept (n) deferrable initially deferred)',
    );
    await assert.rejects(
      inTransaction(pool, DEFAULT_LIMITS, (tx) => tx.execute(sql`insert into deferred values (99)`)),
      { code: '23503' },
    );
    await pool.query('drop table deferred');
  });

  test('that is cancelled over a silent connection ends, although no answer ever arrives', async (t) => {
    const proxy = await startFaultProxy(database.url);
    const far = testPool(proxy.url);
    t.after(async () => {
      await proxy.heal();
      await far.end();
      await proxy.close();
    });
    const cancel = new AbortController();
    const reason = new Error('enough');
    await assert.rejects(
      inTransaction(
        far,
        DEFAULT_LIMITS,
        async (tx) => {
          proxy.stall();
          cancel.abort(reason);
          await tx.execute(sql`select 1`);
        },
        cancel.signal,
      ),
      (error) => error === reason,
    );
  });

  describe('inTransaction over a connection that breaks at COMMIT', () => {
    let proxy: CutProxy;
    let cut: Pool;
    before(async () => {
      proxy = await startCutProxy(database.url);
      cut = testPool(proxy.url);
    });
    after(async () => {
      await cut.end();
      await proxy.close();
    });

    test('succeeds when nothing is cut', async () => {
      await inTransaction(cut, DEFAULT_LIMITS, (tx) => tx.execute(sql`insert into kept values (1)`));
      assert.deepEqual(await kept(), [1]);
      assert.deepEqual([proxy.cuts(), proxy.commits()], [0, 1]);
    });

    for (const [when, expected] of [
      ['before', []],
      ['after', [1]],
    ] as const) {
      test(`leaves the outcome unknown after a cut ${when} the server has committed`, async () => {
        proxy.arm(when);
        await assert.rejects(
          inTransaction(cut, DEFAULT_LIMITS, (tx) => tx.execute(sql`insert into kept values (1)`)),
          CommitUnknown,
        );
        await sleep(50);
        assert.deepEqual(await kept(), expected);
        // The doubtful connection is not used again.
        await inTransaction(cut, DEFAULT_LIMITS, (tx) => tx.execute(sql`insert into kept values (2)`));
        assert.deepEqual(await kept(), [...expected, 2]);
      });
    }

    test('leaves the outcome unknown while a late COMMIT is still on its way', async () => {
      proxy.arm('late');
      await assert.rejects(
        inTransaction(cut, DEFAULT_LIMITS, (tx) => tx.execute(sql`insert into kept values (1)`)),
        CommitUnknown,
      );
      assert.deepEqual(await kept(), []);
      await sleep(700);
      assert.deepEqual(await kept(), [1]);
    });
  });
});
