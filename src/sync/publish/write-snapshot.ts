// The statements that write a snapshot: its counts, its levels, and its writer. They hold no parameter: see
// write-changes.ts.
import { sql, type SQL } from 'drizzle-orm';
import { columnNames } from '../../db/sql/column-names.ts';
import { instant, whole } from '../../db/sql/inline-sql.ts';
import { accountWriters, snapshotLevels, snapshots } from '../../db/schema.ts';
import { CHANGES, RISK_LEVELS } from '../../user-risk.ts';
import { total } from '../state/level-sums.ts';
import type { Verdict } from '../walk/verdict.ts';
import type { ChangeCounts } from './changes.ts';

export type SnapshotFacts = {
  accountKey: number;
  runId: number;
  snapshotId: number;
  /** timestamptz as text, whole milliseconds. */
  observedAt: string;
  verdict: Verdict;
  expectedUnseen: number | null;
  isBaseline: boolean;
  /** Distinct users with an accepted record. */
  met: number;
  /** The ids of new users who stand for erased people. */
  erasedAppeared: readonly string[];
};

export type Statement = {
  sql: SQL;
  /** The number of rows that it touches if the state is still the one that was read. */
  rows: number;
};

/** The snapshot, its levels, and the snapshot id that marks the account's last writer. */
export function snapshotStatements(facts: SnapshotFacts, counts: ChangeCounts): Statement[] {
  return [
    { sql: insertSnapshot(facts, counts), rows: 1 },
    { sql: insertLevels(facts, counts), rows: RISK_LEVELS.length },
    { sql: markWriter(facts, counts), rows: 1 },
  ];
}

function insertSnapshot(facts: SnapshotFacts, counts: ChangeCounts): SQL {
  const s = snapshots;
  const { users, events } = total(counts.sums);
  return sql`insert into ${s} (${columnNames(
    s.account_key,
    s.snapshot_id,
    s.observed_at,
    s.verdict,
    s.expected_unseen,
    s.is_baseline,
    s.user_count,
    s.met_count,
    s.carried_count,
    s.event_count,
    ...CHANGES.map((change) => s[change]),
  )}) values (${whole(facts.accountKey)}, ${whole(facts.snapshotId)}, ${instant(facts.observedAt)}, ${sql.raw(`'${facts.verdict}'`)},
    ${facts.expectedUnseen === null ? sql`null` : sql.raw(String(facts.expectedUnseen))}, ${sql.raw(String(facts.isBaseline))},
    ${whole(users)}, ${whole(facts.met)}, ${whole(users - facts.met)}, ${whole(events)},
    ${sql.join(
      CHANGES.map((change) => whole(counts[change])),
      sql`, `,
    )})`;
}

function insertLevels({ accountKey, snapshotId }: SnapshotFacts, { sums }: ChangeCounts): SQL {
  const l = snapshotLevels;
  const levels = RISK_LEVELS.map((level) => {
    const { users, events } = sums[level];
    return sql`(${whole(accountKey)}, ${whole(snapshotId)}, ${sql.raw(`'${level}'`)}, ${whole(users)}, ${whole(events)})`;
  });
  return sql`insert into ${l} (${columnNames(l.account_key, l.snapshot_id, l.max_risk_level, l.user_count, l.event_count)})
    values ${sql.join(levels, sql`, `)}`;
}

function markWriter({ accountKey, snapshotId }: SnapshotFacts, { lastUserKey }: ChangeCounts): SQL {
  const w = accountWriters;
  return sql`insert into ${w} (${columnNames(w.account_key, w.last_user_key, w.last_snapshot_id)})
    values (${whole(accountKey)}, ${whole(lastUserKey)}, ${whole(snapshotId)})
    on conflict (${columnNames(w.account_key)}) do update set ${columnNames(w.last_user_key)} = excluded.last_user_key,
      ${columnNames(w.last_snapshot_id)} = excluded.last_snapshot_id`;
}
