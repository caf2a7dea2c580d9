// How `doctor` judges lists of accounts, runs, the history, and what other systems do with it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { judgeFreshness, judgeLastRun } from '../../../src/commands/doctor/account.ts';
import { judgeAccounts, type AccountsFacts } from '../../../src/commands/doctor/accounts.ts';
import { judgeDistribution } from '../../../src/commands/doctor/distribution.ts';
import { judgeCounts, judgeHistory, judgeRetention } from '../../../src/commands/doctor/history.ts';
import type { Line } from '../../../src/commands/doctor/lines.ts';
import { judgeReplication } from '../../../src/commands/doctor/replication.ts';
import { judgeSharedBudget } from '../../../src/commands/doctor/shared-budget.ts';
import { OperatorError } from '../../../src/errors.ts';
import type { ClusterFacts } from '../../../src/queries/health/cluster.ts';
import type { RequestWindow } from '../../../src/queries/health/request-windows.ts';
import type { ReplicationSlot } from '../../../src/queries/replication/replication-slots.ts';

const what = ({ status, exit, found }: Line): string => `${status} ${exit} ${found}`;
const HOUR = 3_600_000;

describe('the list of accounts', () => {
  const ids = (count: number) => Array.from({ length: count }, (_, n) => `id-${n}`);
  const judged = (facts: Partial<AccountsFacts>) =>
    judgeAccounts({ from: 'token', named: 0, reading: null, kept: null, checked: 1, chosen: 1, ...facts });
  const problem = new OperatorError({
    code: 'PERMISSION_DENIED',
    happened: 'the list was refused',
    means: '',
    todo: 'Give the token access',
  });

  test('that is set says where it is set, and how many of its accounts are checked', () => {
    assert.equal(
      what(judged({ from: 'variable', named: 1 })),
      'ok 0 1 account in CLOUDFLARE_ACCOUNT_ID or --account',
    );
    assert.equal(
      what(judged({ from: 'file', named: 1_500, checked: 20, chosen: 1_500 })),
      'ok 0 1,500 accounts in CLOUDFLARE_ACCOUNT_ID_FILE; 20 of 1,500 are checked, name others with --account',
    );
  });

  test('of the token is reported with its problem, and a list that cannot be read fails', () => {
    assert.match(what(judged({})), /^skipped 0 .*was not asked for$/);
    const whole = { ids: ids(5), isComplete: true, problem: null };
    assert.equal(what(judged({ reading: whole })), 'ok 0 the token sees 5 accounts');
    assert.equal(
      what(judged({ reading: { ids: [], isComplete: false, problem } })),
      'failed 77 PERMISSION_DENIED: the list was refused',
    );
    const cut = judged({ reading: { ids: ids(2), isComplete: false, problem }, kept: ids(5) });
    assert.equal(what(cut), 'warning 0 the token sees 2 accounts; the list was refused');
    assert.equal(cut.mend, 'Give the token access');
  });

  test('of the token that lacks accounts of the history names the first three, if the list is complete', () => {
    const reading = { ids: ids(2), isComplete: true, problem: null };
    assert.equal(what(judged({ reading, kept: ids(2) })), 'ok 0 the token sees 2 accounts');
    const one = judged({ reading, kept: ids(3) });
    assert.equal(
      what(one),
      'warning 0 the token sees 2 accounts; 1 account of this history is not in the list of the token: id-2',
    );
    assert.match(one.mend ?? '', /accounts retire/);
    assert.match(
      what(judged({ reading, kept: ids(7) })),
      /; 5 accounts of this history are not in the list of the token: id-2, id-3, id-4 and 2 more$/,
    );
    assert.match(what(judged({ reading, kept: ids(5) })), /: id-2, id-3, id-4$/);
    // The same id on two pages is one account.
    const twice = { ...reading, ids: [...ids(2), ...ids(2)] };
    assert.equal(what(judged({ reading: twice })), 'ok 0 the token sees 2 accounts');
  });
});

describe('the runs', () => {
  test('a failed run is reported with its code and its fix, or with where to look', () => {
    const run = { runId: 7, status: 'failed', errorCode: 'NETWORK', errorMessage: 'Try again.', ageMs: HOUR };
    assert.match(
      what(judgeLastRun({ newestRun: null, failuresSince: 0 })),
      /^skipped 0 no run has ended yet$/,
    );
    assert.match(
      what(judgeLastRun({ newestRun: run, failuresSince: 0 })),
      /^ok 0 succeeded \(run 7, 1 h ago\)$/,
    );
    const failed = judgeLastRun({ newestRun: run, failuresSince: 1 });
    assert.equal(what(failed), 'warning 0 failed (run 7, 1 h ago): NETWORK');
    assert.equal(failed.mend, 'Try again');
    const silent = judgeLastRun({
      newestRun: { ...run, status: 'abandoned', errorCode: null, errorMessage: null },
      failuresSince: 3,
    });
    assert.equal(what(silent), 'warning 0 abandoned (run 7, 1 h ago): no code; 3 failed runs in a row');
    assert.match(silent.mend ?? '', /status --run 7/);
  });

  test('an account without a snapshot and one with a snapshot as old as two intervals get different findings', () => {
    const judged = (ageMs: number | null) =>
      what(
        judgeFreshness(
          { isRetired: false, snapshot: ageMs === null ? null : { snapshotId: 41, ageMs } },
          HOUR,
        ),
      );
    assert.equal(judged(null), 'warning 0 no snapshot yet');
    assert.match(judged(HOUR), /^ok 0 newest snapshot \(41\) 1 h old$/);
    assert.match(judged(50 * HOUR), /^warning 0 .*more than twice the schedule's interval/);
  });
});

describe('the history', () => {
  const good = { count: 0, keys: [] };
  const health = {
    overlappingLevels: good,
    overlappingIdentities: good,
    contradictedLevels: good,
    contradictedIdentities: good,
  };

  test('with contradictions fails, and names at most three keys of each kind', () => {
    assert.match(what(judgeHistory(health)), /^ok 0 no overlaps/);
    const line = judgeHistory({
      ...health,
      overlappingLevels: { count: 1, keys: [4] },
      contradictedIdentities: { count: 5, keys: [1, 2, 3] },
    });
    assert.equal(
      what(line),
      'failed 1 1 user with overlapping level periods (user_key 4); 5 users with an identity that contradicts the current state (user_key 1, 2, 3, …)',
    );
    assert.match(line.mend ?? '', /pg_dump/);
  });

  test('with counts that differ from a recount fails, and says which count and level differ', () => {
    const row = {
      snapshotId: 41,
      level: 'high',
      recordedUsers: 3,
      countedUsers: 3,
      recordedEvents: 9,
      countedEvents: 9,
    };
    assert.match(what(judgeCounts([])), /^skipped 0 no snapshot yet$/);
    assert.match(what(judgeCounts([row])), /^ok 0 the counts of snapshot 41 match a recount$/);
    assert.equal(
      what(
        judgeCounts([
          { ...row, countedUsers: 4 },
          { ...row, level: null, countedEvents: 8 },
        ]),
      ),
      'failed 1 snapshot 41: high: 3 users recorded, 4 counted; all levels: 9 events recorded, 8 counted',
    );
  });

  test('is reported with what is kept of it, and since when it is whole', () => {
    const never = { activity: null, levels: null, identities: null, runs: null };
    const whole = [
      { part: 'runs' as const, since: new Date('2026-01-02T03:04:05Z'), rows: 7, prunedAt: new Date() },
    ];
    assert.equal(what(judgeRetention([], never)), 'ok 0 everything is kept');
    assert.equal(
      what(judgeRetention(whole, { ...never, activity: 400 * 24 * HOUR, runs: 36 * HOUR })),
      'ok 0 kept are activity for 400 days, runs for 36 h; whole are runs since 2026-01-02T03:04:05.000Z',
    );
    assert.match(what(judgeRetention(whole, never)), /^ok 0 everything is kept; whole are runs since/);
  });
});

test('a replication slot is judged by what the server keeps for it, and by how far behind its reader is', () => {
  const slot: ReplicationSlot = {
    slot: 'lake',
    plugin: 'pgoutput',
    active: true,
    wal_status: 'reserved',
    lag_bytes: 0,
    held_bytes: 0,
    inactive_since: null,
  };
  const judged = (facts: Partial<ReplicationSlot>, maxSlotWalKeepSize = '-1') =>
    judgeReplication({ slots: [{ ...slot, ...facts }], maxSlotWalKeepSize });
  assert.equal(
    what(judgeReplication({ slots: [], maxSlotWalKeepSize: '-1' })),
    'ok 0 no logical replication slot',
  );
  assert.equal(what(judged({})), 'ok 0 1 logical replication slot, none far behind');
  assert.equal(what(judged({ lag_bytes: null, held_bytes: null, active: false })), what(judged({})));
  const cases: [Partial<ReplicationSlot>, RegExp, mend: RegExp][] = [
    [{ wal_status: 'lost' }, /^failed 1 slot lake has lost the WAL/, /pg_drop_replication_slot\('lake'\)/],
    [
      { wal_status: 'unreserved', held_bytes: 3e9 },
      /^warning 0 .*about to be lost: it needs 3\.0 GB/,
      /Start its reader/,
    ],
    [
      { wal_status: 'unreserved', held_bytes: null },
      /^warning 0 .*about to be lost: it needs 0/,
      /Start its reader/,
    ],
    [
      { active: false, held_bytes: 5e8 },
      /^warning 0 nobody reads slot lake, and the server keeps 500\.0 MB of WAL for it, without a limit$/,
      /Start its reader, or drop/,
    ],
    [
      { lag_bytes: 2e9, held_bytes: 2e9 },
      /^warning 0 the reader of slot lake is 2\.0 GB behind$/,
      /log of the reader/,
    ],
  ];
  for (const [facts, found, mend] of cases) {
    assert.match(what(judged(facts)), found);
    assert.match(judged(facts).mend ?? '', mend);
  }
  const since = new Date(Date.now() - 3 * HOUR).toISOString();
  assert.match(
    what(judged({ active: false, held_bytes: 5e8, inactive_since: since }, '10GB')),
    /^warning 0 nobody reads slot lake for 3 h, .* 500\.0 MB of WAL for it$/,
  );
});

test('requests that wait for a minute or more are a warning, and shorter waits are reported', () => {
  const one: RequestWindow = {
    credentials: '1a2b3c4d',
    used: 412,
    limit: 960,
    window_ms: 300_000,
    wait_s: 0,
    blocked_s: 0,
  };
  assert.equal(what(judgeSharedBudget([])), 'ok 0 no request today');
  assert.equal(
    what(judgeSharedBudget([one, { ...one, credentials: '5e6f7a8b', wait_s: 59 }])),
    'ok 0 by all replicas: 412 of 960 requests in 5 min (credentials 1a2b3c4d); 412 of 960 requests in 5 min (credentials 5e6f7a8b), the next one in 59.0 s',
  );
  const held = judgeSharedBudget([one, { ...one, credentials: '5e6f7a8b', blocked_s: 61 }]);
  assert.match(
    what(held),
    /^warning 0 by all replicas: .*\(credentials 5e6f7a8b\), none for .* answered 429$/,
  );
  assert.doesNotMatch(held.found, /1a2b3c4d/);
  assert.match(held.mend ?? '', /docs\/performance\.md/);
});

test('a history on Citus is judged by its nodes, its shards, and the roles that reach them', () => {
  const facts: ClusterFacts = {
    version: '13.2',
    isCoordinator: true,
    isRegistered: true,
    isDistributed: true,
    missing: [],
    nodes: 3,
    silent: [],
    lostShards: 0,
    moves: 0,
    barredRoles: [],
  };
  const judged = (more: Partial<ClusterFacts>) => judgeDistribution({ ...facts, ...more });
  assert.equal(what(judgeDistribution(null)), 'ok 0 one PostgreSQL, without Citus');
  assert.equal(what(judged({})), 'ok 0 Citus 13.2, 3 nodes: every table is distributed');
  assert.match(what(judged({ isDistributed: false })), /^ok 0 .*on the coordinator alone$/);
  const cases: [Partial<ClusterFacts>, RegExp, mend: RegExp][] = [
    [{ isCoordinator: false }, /^failed \d+ CITUS_NODE: /, /coordinator/],
    [{ missing: ['risk.users'] }, /^failed \d+ NOT_DISTRIBUTED: .*: risk\.users$/, /migrate --distribute/],
    [
      { silent: ['a:5432', 'b:5432'], moves: null },
      /DATABASE_NODE_AWAY: no answer from a:5432, b:5432$/,
      /Start these/,
    ],
    [{ lostShards: 2 }, /DATABASE_NODE_AWAY: 2 shards on no active node$/, /citus_activate_node/],
    [
      { isRegistered: false },
      /^warning 0 the coordinator is not among the nodes/,
      /citus_set_coordinator_host/,
    ],
    [{ moves: 4 }, /^warning 0 .*: 4 shards would move$/, /citus_rebalance_start/],
    [
      { barredRoles: ['risk_reader'] },
      /^warning 0 risk_reader may not log in/,
      /alter role risk_reader login/,
    ],
  ];
  for (const [more, found, mend] of cases) {
    assert.match(what(judged(more)), found);
    assert.match(judged(more).mend ?? '', mend);
  }
  const all = judged({ lostShards: 1, moves: 1, barredRoles: ['risk_reader', 'risk_pii_reader'] });
  assert.equal(all.status, 'failed', 'the gravest decides');
  assert.equal(all.found.split('; ').length, 3);
});
