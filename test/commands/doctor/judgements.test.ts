// How `doctor` judges facts that a test cannot cause: other servers, other clocks, answers not seen yet.
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, test } from 'node:test';
import type { SummaryPage } from '../../../src/cloudflare/client.ts';
import { collectRecords } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { judgeAbsences } from '../../../src/commands/doctor/account.ts';
import { judgeBudget, judgeClocks } from '../../../src/commands/doctor/clock.ts';
import { judgeRefusals, judgeToken } from '../../../src/commands/doctor/credentials.ts';
import { exitOf, failed, merged, ok, warning, type Line } from '../../../src/commands/doctor/lines.ts';
import {
  describePaging,
  judgePaging,
  judgeWalkTime,
  passTime,
  type PagingProbe,
} from '../../../src/commands/doctor/paging.ts';
import { createReport, summary } from '../../../src/commands/doctor/print.ts';
import {
  judgeLocks,
  judgePrivileges,
  judgeServer,
  judgeSettings,
} from '../../../src/commands/doctor/server.ts';
import { EXIT, OperatorError, type ErrorCode } from '../../../src/errors.ts';
import { readEvidence } from '../../../src/evidence.ts';
import type { ServerFacts } from '../../../src/queries/health/server-facts.ts';
import { longestInterval } from '../../../src/time/schedule.ts';
import { pageOf } from '../../support/api/serve-records.ts';

const GOOD: ServerFacts = {
  version: 180_004,
  encoding: 'UTF8',
  isStandby: false,
  readOnly: false,
  fsync: true,
  fullPageWrites: true,
  synchronousCommit: true,
  connectionsLeft: 90,
  maxConnections: 100,
  statementTimeoutMs: 0,
  idleInTransactionMs: 0,
  transactionTimeoutMs: 0,
};

const what = ({ status, exit, found }: Line): string => `${status} ${exit} ${found}`;

test('PostgreSQL 15 to 18 pass, an older one fails, and a newer or slow one is a warning', () => {
  assert.equal(what(judgeServer('here', 150_018, 1)), 'ok 0 PostgreSQL 15.18, here, answers in 1.0 ms');
  assert.match(what(judgeServer('here', 140_011, 1)), /^failed 78 PostgreSQL 14\.11.*too old/);
  assert.match(
    what(judgeServer('here', 190_000, 1)),
    /^warning 0 PostgreSQL 19\.0.*newer than the tested versions$/,
  );
  assert.match(what(judgeServer('here', 180_004, 300)), /^warning 0 PostgreSQL 18\.4.*300\.0 ms; slow$/);
  assert.match(what(judgeServer('here', 190_000, 300)), /newer than the tested versions; slow$/);
});

test('each relevant setting of the server is named', () => {
  const cases: [Partial<ServerFacts>, RegExp][] = [
    [{}, /^ok 0 safe and writable, 90 connections left$/],
    [{ isStandby: true, readOnly: true }, /^failed 75 the server is a standby: nothing can be written$/],
    [{ readOnly: true }, /^failed 75 default_transaction_read_only is on/],
    [{ encoding: 'SQL_ASCII' }, /^failed 78 DATABASE_ENCODING: the encoding of the database is SQL_ASCII/],
    [{ isStandby: true, encoding: 'LATIN1' }, /^failed 78 the server is a standby.*; DATABASE_ENCODING/],
    [{ fsync: false }, /^warning 0 fsync off/],
    [{ fsync: false, fullPageWrites: false }, /^warning 0 fsync and full_page_writes off/],
    [{ synchronousCommit: false }, /^warning 0 synchronous_commit is off/],
    [{ connectionsLeft: 8 }, /^ok 0/],
    [{ connectionsLeft: 7 }, /^warning 0 7 connections left of 100/],
    [{ connectionsLeft: -2 }, /^warning 0 0 connections left of 100/],
    [{ statementTimeoutMs: 4_999 }, /^warning 0 statement_timeout is 4\.999 s/],
    [{ statementTimeoutMs: 5_000 }, /^ok/],
    [{ idleInTransactionMs: 1_000 }, /^warning 0 idle_in_transaction_session_timeout is 1 s/],
    [{ idleInTransactionMs: 10_000 }, /^ok/],
    [{ transactionTimeoutMs: 60_000 }, /^warning 0 transaction_timeout is 60 s/],
  ];
  for (const [facts, expected] of cases) assert.match(what(judgeSettings({ ...GOOD, ...facts })), expected);
});

test('a role that may not migrate fails only when there is a migration to apply', () => {
  const role = { mayCreate: true, notOwned: ['risk'], notWritable: [] };
  assert.match(what(judgePrivileges(role, false)), /^warning 0 does not own risk/);
  assert.match(what(judgePrivileges(role, true)), /^failed 77 DATABASE_PERMISSION: does not own risk/);
  assert.match(
    what(judgePrivileges({ ...role, mayCreate: false }, true)),
    /^failed 77 .*may not create schemas/,
  );
  const tables = { ...role, notWritable: ['risk.a', 'risk.b', 'risk.c', 'risk.d', 'risk.e'] };
  assert.match(what(judgePrivileges(tables, false)), /^failed 77 .*risk\.a, risk\.b, risk\.c and 2 more/);
});

describe('a token', () => {
  const now = Date.parse('2026-11-25T12:00:00Z');
  const active = { status: 'active', expiresOn: null, notBefore: null };

  test('is judged by its status and by its dates', () => {
    const cases: [Partial<typeof active> | { expiresOn: string } | { notBefore: string }, RegExp][] = [
      [{}, /^ok 0 API token of a user, active, never expires$/],
      [{ expiresOn: '2026-12-31T00:00:00Z' }, /^ok 0 .*expires on 2026-12-31 \(in 36 days\)$/],
      [{ expiresOn: '2026-12-01T00:00:00Z' }, /^warning 0 .*expires on 2026-12-01/],
      [{ expiresOn: '2026-11-25T12:00:00Z' }, /^failed 77 .*expired on 2026-11-25$/],
      [{ status: 'expired' }, /^failed 77 .*expired$/],
      [{ status: 'disabled' }, /^failed 77 .*disabled$/],
      [{ notBefore: '2026-11-26T00:00:00Z' }, /^failed 77 .*not valid before 2026-11-26$/],
      [{ notBefore: '2026-11-01T00:00:00Z' }, /^ok 0/],
      [{ status: 'sleeping' }, /^warning 0 .*unknown state: sleeping$/],
    ];
    for (const [state, expected] of cases)
      assert.match(what(judgeToken({ ...active, ...state }, 'user', now)), expected);
  });

  test('with unknown state is left to the summary; a refused token fails unless the summary accepted it', () => {
    const error = (code: ErrorCode) =>
      new OperatorError({ code, happened: 'it happened', means: '', todo: 'mend it' });
    const unknown = [error('ENDPOINT_NOT_FOUND'), error('ACCOUNT_NOT_FOUND')];
    const refused = [error('AUTHENTICATION_FAILED'), error('PERMISSION_DENIED')];
    assert.match(
      what(judgeRefusals(unknown, false, 'API token')),
      /^skipped 0 .*only the summary shows whether they work$/,
    );
    assert.match(what(judgeRefusals(refused, false, 'API token')), /^failed 77 AUTHENTICATION_FAILED/);
    assert.match(what(judgeRefusals(refused, true, 'API token')), /^ok 0 .*accepted by the risk summary/);
    assert.match(
      what(judgeRefusals([error('NETWORK')], false, 'API token')),
      /^failed 75 NETWORK: it happened$/,
    );
  });
});

test('clocks are compared in pairs, and the wrong one is named', () => {
  assert.match(what(judgeClocks(null, null)), /^skipped/);
  assert.match(what(judgeClocks(null, 59_000)), /^ok 0 this host, the database: within 59\.0 s$/);
  const database = judgeClocks(500, 360_000);
  assert.match(
    what(database),
    /^failed 75 the database is 6 min ahead of this host; the database is 6 min ahead of Cloudflare$/,
  );
  assert.match(database.mend ?? '', /Correct the clock of the database/);
  const here = judgeClocks(-400_000, -400_500);
  assert.equal(here.status, 'warning', 'API and database agree: snapshots have the right time');
  assert.match(here.mend ?? '', /Correct the clock of this host/);
  assert.match(judgeClocks(null, 600_000).mend ?? '', /Correct the wrong clock/);
  assert.equal(
    judgeClocks(null, 600_000).status,
    'warning',
    'without the API, it is unknown which clock is wrong',
  );
});

test('the request budget is judged by the tightest limit that the answers state', () => {
  assert.match(what(judgeBudget(null)), /^skipped/);
  assert.match(what(judgeBudget([])), /^ok 0 the answers state no limit/);
  const many = { remaining: 900, resetMs: 60_000, quota: 1_200, windowMs: 300_000 };
  assert.match(what(judgeBudget([many])), /^ok 0 900 requests left of 1,200 for 1 min$/);
  assert.match(
    what(judgeBudget([many, { remaining: 20, resetMs: 30_000, quota: 100, windowMs: 60_000 }])),
    /^warning 0 20 requests left of 100/,
  );
  assert.match(
    what(judgeBudget([{ remaining: 50, resetMs: 30_000, quota: null, windowMs: null }])),
    /^warning 0 50 requests left for/,
  );
});

test('absent users whose records cannot be asked are reported with what the next runs will do', () => {
  const judged = (lookups: object) => judgeAbsences(3, { runId: 7, evidence: readEvidence({ lookups }) });
  const cases: [lookups: object, found: RegExp, mend: RegExp][] = [
    [{ state: 'refused' }, /run 7 could not ask about absent users \(refused\)$/, /two complete walks/],
    [
      { state: 'control_failed' },
      /could not ask about absent users \(control_failed\)$/,
      /two complete walks/,
    ],
    [
      { state: 'unanswered' },
      /run 7 got no answer about absent users$/,
      /No user is cleared.*next run asks again/,
    ],
    [
      { state: 'working', unreadable: 2 },
      /run 7 got no readable answer about 2 users$/,
      /SYNC_CONFIRM=walks/,
    ],
  ];
  for (const [lookups, found, mend] of cases) {
    const line = judged({ waiting: 1, ...lookups });
    assert.match(what(line), /^warning 0 3 users absent, 1 waiting to be asked about; /);
    assert.match(line.found, found);
    assert.match(line.mend ?? '', mend);
  }
  assert.equal(what(judged({ state: 'working' })), 'ok 0 3 users absent, 0 waiting to be asked about');
  assert.equal(judged({ state: 'off', waiting: 3 }).status, 'ok');
});

describe('paging', () => {
  const page = (from: number, records: number, info: SummaryPage<unknown>['info'] = {}) =>
    pageOf(
      Array.from({ length: records }, (_, index) => ({ user_id: `user-${from + index}` })),
      info,
      collectRecords(0),
    );
  const probe = (parts: Partial<PagingProbe>): PagingProbe => ({
    small: page(0, 5),
    second: page(5, 5),
    first: page(0, 1_000, { total_count: 2_500 }),
    asked: 1_000,
    used: 1_000,
    firstMs: 100,
    ...parts,
  });
  const run = (paging: object) => ({ runId: 7, usersMet: 2_500, evidence: readEvidence({ paging }) });
  const usual = describePaging(probe({}));

  test('is described with the words of a walk', () => {
    assert.deepEqual(usual, {
      page: 'honoured',
      per_page: 'honoured',
      asked_per_page: 1_000,
      page_size: 1_000,
      totals: true,
    });
    const clamped = describePaging(probe({ first: page(0, 50, { total_count: 2_500 }) }));
    assert.deepEqual([clamped.page, clamped.per_page], ['honoured', 'clamped']);
    const one = describePaging(probe({ first: page(0, 400, { total_count: 400 }) }));
    assert.deepEqual([one.page, one.per_page], ['honoured', 'honoured']);
    const everything = describePaging(
      probe({ small: page(0, 1_200), second: page(0, 1_200), first: page(0, 1_200) }),
    );
    assert.deepEqual(
      [everything.page, everything.per_page, everything.totals],
      ['ignored', 'ignored', false],
    );
    const few = describePaging(
      probe({ small: page(0, 3), second: page(0, 0), first: page(0, 3, { total_count: 3 }) }),
    );
    assert.equal(few.page, 'not_needed');
    const refused = describePaging(
      probe({ small: page(0, 3), second: null, first: page(0, 3, { total_count: 3 }) }),
    );
    assert.equal(refused.page, 'not_needed');
  });

  test('with refused pages and sizes is reported, and is not a fault', () => {
    const first = page(0, 3, { total_count: 3 });
    assert.match(
      what(judgePaging(probe({ small: page(0, 3), second: null, first }), [])),
      /^ok 0 .*the page after the last one is refused$/,
    );
    assert.match(what(judgePaging(probe({ used: 25 }), [])), /^ok 0 .*1,000 requested, but only 25 served/);
    assert.match(what(judgePaging(probe({ used: 0 }), [])), /^ok 0 .*but every size is refused/);
  });

  test('that changed in the last runs is a warning that names what changed, and since when', () => {
    assert.match(
      what(judgePaging(probe({}), [run(usual), run(usual)])),
      /^ok 0 page and per_page honoured, 1,000 users per page/,
    );
    // A run that kept nothing of its paging changed nothing.
    assert.match(what(judgePaging(probe({}), [{ ...run(usual), evidence: readEvidence({}) }])), /^ok 0/);
    assert.match(
      what(judgePaging(probe({}), [run({ ...usual, per_page: 'clamped', page_size: 100 })])),
      /^warning 0 changed since run 7: per_page was clamped, is honoured$/,
    );
    const unlike = [run(usual), { ...run({ ...usual, totals: false }), runId: 6 }];
    assert.match(
      what(judgePaging(probe({}), unlike)),
      /^warning 0 changed from run 6 to 7: totals was false, is true$/,
    );
  });

  test('that is ignored fails when the total says that users are missing, and warns when no total says so', () => {
    const ignored = { small: page(0, 50), second: page(0, 50) };
    const first = page(0, 50, { total_count: 120 });
    assert.match(
      what(judgePaging(probe({ ...ignored, first }), [])),
      /^failed 1 PAGING_UNUSABLE: .*and there are 120 users$/,
    );
    assert.match(
      what(judgePaging(probe({ ...ignored, first: page(0, 50) }), [])),
      /^warning 0 .*it is not known whether this page holds all users$/,
    );
    assert.match(what(judgePaging(probe({ ...ignored, first: page(0, 47) }), [])), /^ok 0/);
  });

  test('takes as long as its parallel pages take, or as long as the rate limit demands', () => {
    assert.equal(passTime({ pages: 100, pageMs: 400, concurrency: 4, rateShare: 0.8 }), 10_000);
    assert.equal(passTime({ pages: 1, pageMs: 400, concurrency: 4, rateShare: 0.8 }), 400);
    // 960 requests at once, and 960 more after every five minutes.
    assert.equal(passTime({ pages: 960, pageMs: 1, concurrency: 4, rateShare: 0.8 }), 240);
    assert.equal(passTime({ pages: 961, pageMs: 1, concurrency: 4, rateShare: 0.8 }), 300_000);
    assert.equal(passTime({ pages: 2_880, pageMs: 1, concurrency: 4, rateShare: 0.8 }), 600_000);
  });

  test('is measured against the time budget, and is unknown without a number of users', () => {
    const sync = { concurrency: 4, rateShare: 0.8, timeBudgetMs: 60_000 };
    assert.match(what(judgeWalkTime(probe({}), [], sync)), /^ok 0 about 100 ms for 4 pages, of 1 min$/);
    assert.match(
      what(judgeWalkTime(probe({ firstMs: 45_000 }), [], sync)),
      /^warning 0 .*no room for a second pass/,
    );
    assert.match(
      what(judgeWalkTime(probe({ firstMs: 61_000 }), [], sync)),
      /^warning 0 .*a walk cannot finish in time$/,
    );
    const without = probe({ first: page(0, 1_000) });
    assert.match(what(judgeWalkTime(without, [], sync)), /^skipped/);
    assert.match(what(judgeWalkTime(without, [run(usual)], sync)), /4 pages/);
  });
});

describe('the report', () => {
  const lines = [
    ok('database', 'well'),
    failed('clock', EXIT.tryLater, 'a b', 'c d'),
    warning('paging', 'x', 'y'),
  ];

  function shown(
    terminal: { isTTY?: boolean; columns?: number },
    env: Record<string, string>,
    format: 'table' | 'csv' = 'table',
  ): string {
    let text = '';
    const stdout = Object.assign(
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          text += chunk.toString();
          done();
        },
      }),
      terminal,
    );
    const report = createReport({ stdout, source: { env, envFile: null } }, format);
    report.add(lines);
    report.add({ ...warning('counts', 'word '.repeat(40).trim(), 'mend'), accountId: 'evil\u001b[31m' });
    report.end();
    return text;
  }

  test('has colours on a terminal, and none with NO_COLOR, on a dumb terminal or in a file', () => {
    assert.match(shown({ isTTY: true }, {}), /\u001b\[31mfailed/);
    for (const [terminal, env] of [
      [{ isTTY: true }, { NO_COLOR: '1' }],
      [{ isTTY: true }, { TERM: 'dumb' }],
      [{}, {}],
    ] as const) {
      assert.ok(!shown(terminal, env).includes('\u001b'), 'an account id cannot bring colours either');
    }
    assert.match(
      shown({ isTTY: true }, { NO_COLOR: '' }),
      /\u001b\[31mfailed/,
      'an empty NO_COLOR counts as unset',
    );
  });

  test('is as wide as the terminal, at most 120 columns, and 80 without a terminal', () => {
    for (const [columns, widest] of [
      [undefined, 80],
      [100, 100],
      [300, 120],
      [20, 60],
    ] as const) {
      const text = shown(columns === undefined ? {} : { columns }, {});
      const longest = Math.max(...text.split('\n').map((line) => line.length));
      assert.ok(longest <= widest && longest > widest - 6, `${longest} of ${widest}`);
    }
  });

  test('has one row per check as CSV', () => {
    const rows = shown({ isTTY: true }, {}, 'csv').split('\n');
    assert.deepEqual(rows.slice(0, 4), [
      'check,status,account_id,found,mend',
      'database,ok,,well,',
      'clock,failed,,a b,c d',
      'paging,warning,,x,y',
    ]);
    assert.match(rows[4] ?? '', /^counts,warning,evil/);
  });

  test('ends with the totals, and exits with the most severe failure', () => {
    assert.match(shown({}, {}), /\n\n1 failed, 2 warnings, 1 ok\n$/);
    assert.equal(summary([]), '');
    assert.equal(exitOf([lines[0]!, lines[2]!]), 0);
    assert.equal(exitOf(lines), 75);
    const exits = [EXIT.tryLater, EXIT.failed, EXIT.permission, EXIT.configuration];
    for (const [index, exit] of exits.entries())
      assert.equal(exitOf(exits.slice(0, index + 1).map((each) => failed('clock', each, '', ''))), exit);
  });

  test('merges several findings into one line, and names each fix once', () => {
    const line = merged('settings', 'good', [
      warning('settings', 'a', 'm'),
      failed('settings', EXIT.failed, 'b', 'm'),
    ]);
    assert.deepEqual(line, { check: 'settings', status: 'failed', found: 'a; b', mend: 'm', exit: 1 });
    assert.equal(merged('settings', 'good', []).found, 'good');
  });
});

test('the interval of a schedule is its longest pause', () => {
  const hour = 3_600_000;
  assert.equal(longestInterval('0 * * * *', 'UTC'), hour);
  assert.equal(longestInterval('0 8-18 * * 1-5', 'UTC'), 62 * hour);
  assert.equal(longestInterval('*/15 * * * *', 'UTC'), hour / 4);
});

test('sessions that hold locks are named with what this role may see of them', () => {
  assert.match(what(judgeLocks([])), /^ok 0 nobody waits/);
  const found = judgeLocks([
    { pid: 0, user: null, application: null, since: null, blocks: 2 },
    { pid: 7, user: 'grafana', application: '', since: null, blocks: 0 },
  ]);
  assert.deepEqual([found.status, found.exit], ['warning', 0]);
  assert.equal(
    found.found,
    'a prepared transaction (see pg_prepared_xacts) blocks 2 sessions; process 7 (user grafana, since when is hidden from this role, which lacks pg_read_all_stats) has held locks on the history for more than a minute: a migration would wait for it',
  );
  assert.match(found.mend!, /rollback prepared.*pg_terminate_backend\(7\)/);
});
