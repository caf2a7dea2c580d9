// The statements that write staged_changes into users and their three histories, each with the number of rows that it
// must touch. They are set-based, and every row gets the snapshot_id. They hold no parameter, so that they travel
// together: while the feed clock is held, every account waits during a round trip. Nothing is sorted. The rows were
// copied in the order of user ids, which is the order of the keys, except for users who were added later.
import { sql, type SQL } from 'drizzle-orm';
import type { AnyPgColumn } from 'drizzle-orm/pg-core';
import { columnList, columnNames } from '../../db/sql/column-names.ts';
import { instant, whole } from '../../db/sql/inline-sql.ts';
import { levelRank } from '../../db/sql/level-rank.ts';
import { lookups, stagedChanges, userActivity, userIdentities, userLevels, users } from '../../db/schema.ts';
import { fieldColumns } from '../../db/sql/user-columns.ts';
import { fieldsOf, type HistoryName, type UserField } from '../../user-risk.ts';
import type { ChangeCounts } from './changes.ts';
import type { SnapshotFacts, Statement } from './write-snapshot.ts';

const c = stagedChanges;
/** The new values of the fields of a user. */
const now: Record<UserField, AnyPgColumn> = { ...c, max_risk_level: c.new_level };

/** In the order in which they run. Statements that would touch nothing are left out. */
export function changeStatements(facts: SnapshotFacts, counts: ChangeCounts): Statement[] {
  const levelChanges = counts.raised + counts.lowered;
  const opened = counts.appeared + counts.returned + levelChanges;
  return [
    // Old periods are closed before new ones open: two open rows of one user violate the partial unique index.
    { sql: insertUsers(facts), rows: counts.appeared },
    { sql: closeLevels(facts), rows: levelChanges + counts.cleared },
    { sql: openLevels(facts), rows: opened },
    { sql: closeIdentities(facts), rows: counts.renamed },
    { sql: openIdentities(facts), rows: counts.appeared + counts.renamed },
    { sql: insertActivity(facts), rows: counts.appeared + counts.acted },
    { sql: updateUsers(facts), rows: counts.updated },
    { sql: clearMissing(facts), rows: counts.cleared },
    { sql: markAbsent(facts), rows: counts.newlyAbsent },
    { sql: keepAnswers(facts), rows: counts.asked },
    { sql: sql`delete from ${c} where ${staged(facts)}`, rows: counts.rows },
  ].filter(({ rows }) => rows > 0);
}

/** Whether the staged row changes this history. Never true for missing users. */
function changes(history: HistoryName): SQL {
  if (history === 'level') return sql`not ${c.is_missing} and ${c.new_level} is distinct from ${c.old_level}`;
  return sql`${history === 'identity' ? c.identity_changed : c.activity_changed}`;
}

/** Fields of users in an update: the staged value, or the old one if the staged row has none. */
function setOrKeep(history: 'activity'): SQL {
  return sql.join(
    fieldsOf(history).map(
      (field) => sql`${columnNames(users[field])} = coalesce(${now[field]}, ${users[field]})`,
    ),
    sql`, `,
  );
}

const staged = ({ accountKey }: SnapshotFacts): SQL => sql`${c.account_key} = ${whole(accountKey)}`;
const at = ({ observedAt }: SnapshotFacts): SQL => instant(observedAt);
const stamp = ({ snapshotId }: SnapshotFacts): SQL => sql`${whole(snapshotId)}::bigint`;

function insertUsers(facts: SnapshotFacts): SQL {
  const u = users;
  return sql`
    insert into ${u} (${columnNames(
      u.account_key,
      u.user_key,
      u.user_id,
      ...fieldColumns(u, 'level'),
      ...fieldColumns(u, 'activity'),
      u.level_since,
      u.identity_since,
      u.first_seen_at,
      u.snapshot_id,
      u.erased_at,
    )})
    select ${c.account_key}, ${c.user_key}, ${c.user_id}, ${columnList(...fieldColumns(now, 'level'), ...fieldColumns(now, 'activity'))},
           ${at(facts)}, ${at(facts)}, ${at(facts)}, ${stamp(facts)}, ${erasedAt(facts)}
      from ${c} where ${staged(facts)} and ${c.is_new}`;
}

/** An account may meet, for the first time, a person who was erased before. */
function erasedAt(facts: SnapshotFacts): SQL {
  if (facts.erasedAppeared.length === 0) return sql`null::timestamptz`;
  const ids = sql.raw(facts.erasedAppeared.map((id) => `'${id}'`).join(','));
  return sql`case when ${c.user_id} in (${ids}) then ${at(facts)} end`;
}

function closeLevels(facts: SnapshotFacts): SQL {
  const l = userLevels;
  return sql`
    update ${l}
       set ${columnNames(l.valid_to)} = ${at(facts)}, ${columnNames(l.snapshot_id)} = ${stamp(facts)},
           ${columnNames(l.end_reason)} = coalesce(${c.end_reason}, 'changed'), ${columnNames(l.last_reset_time)} = ${c.last_reset_time},
           ${columnNames(l.absent_since)} = case when ${c.is_missing} then coalesce(
             (select ${users.absent_since} from ${users} where ${users.account_key} = ${whole(facts.accountKey)} and ${users.user_key} = ${c.user_key}),
             ${at(facts)}) end
      from ${c}
     where ${staged(facts)}
       and (${c.end_reason} is not null or not ${c.is_missing} and ${c.new_level} <> ${c.old_level})
       and ${l.account_key} = ${whole(facts.accountKey)} and ${l.user_key} = ${c.user_key} and ${l.valid_to} is null
       and ${l.max_risk_level} = ${c.old_level}`;
}

function openLevels(facts: SnapshotFacts): SQL {
  const l = userLevels;
  return sql`
    insert into ${l} (${columnNames(
      l.account_key,
      l.user_key,
      l.valid_from,
      ...fieldColumns(l, 'level'),
      l.previous_level,
      l.change,
      l.snapshot_id,
    )})
    select ${c.account_key}, ${c.user_key}, ${at(facts)}, ${columnList(...fieldColumns(now, 'level'))}, ${c.old_level},
           case when ${c.is_new} then 'appeared'
                when ${c.old_level} is null then 'returned'
                when ${levelRank(c.new_level.getSQL())} > ${levelRank(c.old_level.getSQL())} then 'raised'
                else 'lowered' end,
           ${stamp(facts)}
      from ${c}
     where ${staged(facts)} and ${changes('level')}`;
}

function closeIdentities(facts: SnapshotFacts): SQL {
  const i = userIdentities;
  return sql`
    update ${i} set ${columnNames(i.valid_to)} = ${at(facts)}, ${columnNames(i.snapshot_id)} = ${stamp(facts)}
      from ${c}
     where ${staged(facts)} and ${changes('identity')} and not ${c.is_new}
       and ${i.account_key} = ${whole(facts.accountKey)} and ${i.user_key} = ${c.user_key} and ${i.valid_to} is null`;
}

function openIdentities(facts: SnapshotFacts): SQL {
  const i = userIdentities;
  return sql`
    insert into ${i} (${columnNames(i.account_key, i.user_key, i.valid_from, ...fieldColumns(i, 'identity'), i.snapshot_id)})
    select ${c.account_key}, ${c.user_key}, ${at(facts)}, ${columnList(...fieldColumns(now, 'identity'))}, ${stamp(facts)}
      from ${c} where ${staged(facts)} and ${changes('identity')}`;
}

function insertActivity(facts: SnapshotFacts): SQL {
  const a = userActivity;
  return sql`
    insert into ${a} (${columnNames(a.account_key, a.user_key, a.observed_at, ...fieldColumns(a, 'activity'), a.snapshot_id)})
    select ${c.account_key}, ${c.user_key}, ${at(facts)}, ${columnList(...fieldColumns(now, 'activity'))}, ${stamp(facts)}
      from ${c} where ${staged(facts)} and ${changes('activity')}`;
}

/** A row without counters only ends an absence. */
function updateUsers(facts: SnapshotFacts): SQL {
  const u = users;
  return sql`
    update ${u}
       set ${columnNames(u.max_risk_level)} = ${c.new_level},
           ${setOrKeep('activity')},
           ${columnNames(u.level_since)} = case when ${c.new_level} is distinct from ${c.old_level} then ${at(facts)} else ${u.level_since} end,
           ${columnNames(u.identity_since)} = case when ${c.identity_changed} then ${at(facts)} else ${u.identity_since} end,
           ${columnNames(u.absent_since)} = null, ${columnNames(u.cleared_at)} = null, ${columnNames(u.snapshot_id)} = ${stamp(facts)}
      from ${c}
     where ${staged(facts)} and not ${c.is_missing} and not ${c.is_new} and ${sameUser(facts)}`;
}

function clearMissing(facts: SnapshotFacts): SQL {
  const u = users;
  return sql`
    update ${u}
       set ${columnNames(u.max_risk_level)} = null, ${columnNames(u.level_since)} = null,
           ${columnNames(u.absent_since)} = null, ${columnNames(u.cleared_at)} = ${at(facts)},
           ${columnNames(u.snapshot_id)} = ${stamp(facts)}
      from ${c} where ${staged(facts)} and ${c.end_reason} is not null and ${sameUser(facts)}`;
}

function markAbsent(facts: SnapshotFacts): SQL {
  const u = users;
  return sql`
    update ${u} set ${columnNames(u.absent_since)} = ${at(facts)}, ${columnNames(u.snapshot_id)} = ${stamp(facts)}
      from ${c}
     where ${staged(facts)} and ${c.is_missing} and ${c.end_reason} is null and ${u.absent_since} is null and ${sameUser(facts)}`;
}

/** Matches the user of the staged row, if their level is still the one that was read. */
function sameUser({ accountKey }: SnapshotFacts): SQL {
  const u = users;
  return sql`${u.account_key} = ${whole(accountKey)} and ${u.user_key} = ${c.user_key}
    and ${u.max_risk_level} is not distinct from ${c.old_level}`;
}

/**
 * Keeps the latest answer about each user. It decides who is asked next, and `history` shows it. It is not in `users`,
 * because a lookup is not a change. `level_at` uses the walk's clock, because it is compared with the times of other
 * walks.
 */
function keepAnswers(facts: SnapshotFacts): SQL {
  const l = lookups;
  return sql`
    insert into ${l} (${columnNames(l.account_key, l.user_key, l.run_id, l.asked_at, l.outcome, l.level_at)})
    select ${c.account_key}, ${c.user_key}, ${whole(facts.runId)}, now(), ${c.lookup_outcome},
           case when ${c.lookup_outcome} = 'level' then ${at(facts)} end
      from ${c} where ${staged(facts)} and ${c.lookup_outcome} is not null
     order by ${c.user_key}
    on conflict (${columnNames(l.account_key, l.user_key)}) do update
       set ${columnNames(l.run_id)} = excluded.run_id, ${columnNames(l.asked_at)} = excluded.asked_at,
           ${columnNames(l.outcome)} = excluded.outcome, ${columnNames(l.level_at)} = coalesce(excluded.level_at, ${l.level_at})`;
}
