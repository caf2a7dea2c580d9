// Compares what was staged with the current state, in SQL, and keeps the differences in staged_changes: one join per
// publish, and every later statement touches changed users alone.
//
// An anti-join rather than ON CONFLICT … WHERE IS DISTINCT FROM: over 100,000 unchanged rows that wrote 12 MB of WAL,
// set every xmax and burned identities. Every statement names account_key by equality, so that on Citus each is
// single-shard.
import { sql, type SQL } from 'drizzle-orm';
import {
  lookups,
  rejectedRecords,
  snapshots,
  stagedChanges,
  stagedRecords,
  userIdentities,
  users,
} from '../db/schema.ts';
import { columnNames } from '../db/column-names.ts';
import type { Transaction } from '../db/transaction.ts';
import type { LookupAnswer } from './absence.ts';
import type { Lease } from './lease.ts';

export type Run = Pick<Lease, 'accountKey' | 'runId'>;

export type DiffCounts = {
  /** Users present before. */
  present: number;
  /** Distinct users with an accepted record. */
  met: number;
  /** Present users that the walk did not meet at all. */
  missing: number;
  /** Of the missing, those whose own record shows a level, and those whose record shows none. */
  stillThere: number;
  gone: number;
  /** Of the missing, those whose own record was asked, whatever it said. */
  asked: number;
  /** Users that were marked absent before. */
  absent: number;
  /** Rows of staged_changes. */
  changes: number;
  appeared: number;
  returned: number;
  raised: number;
  lowered: number;
};

export async function writeDiff(
  tx: Transaction,
  run: Run,
  answers: ReadonlyMap<string, LookupAnswer>,
): Promise<DiffCounts> {
  await preferHashJoins(tx, true);
  await tx.execute(metStatement(run));
  await tx.execute(missingStatement(run));
  if (answers.size > 0) await tx.execute(answersStatement(run, answers));
  const { rows } = await tx.execute<DiffCounts>(countStatement(run));
  const [counts] = rows;
  if (counts === undefined) throw new Error('an aggregate without a row');
  // A few changes among many users are found by index; from here on only changed users matter.
  if (counts.changes * 20 < counts.present) await preferHashJoins(tx, false);
  return counts;
}

/**
 * Of an account that is new, or that has just been loaded, the statistics know nothing: the planner expects one row and
 * joins 100,000 users with 100,000 changes by nested loop (measured: minutes instead of 2 s). Compiling such plans
 * (jit) costs more than running them.
 */
async function preferHashJoins(tx: Transaction, prefer: boolean): Promise<void> {
  await tx.execute(
    prefer
      ? sql`select set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)`
      : sql`set local enable_nestloop to default`,
  );
}

/** Users that were met and differ from the current state. Of several records of a user the one read last wins. */
function metStatement({ accountKey, runId }: Run): SQL {
  const c = stagedChanges;
  const s = stagedRecords;
  const u = users;
  const i = userIdentities;
  return sql`
    insert into ${stagedChanges} (${columnNames(
      c.account_key,
      c.run_id,
      c.user_id,
      c.user_key,
      c.is_missing,
      c.old_level,
      c.new_level,
      c.level_changed,
      c.identity_changed,
      c.activity_changed,
      c.email,
      c.name,
      c.event_count,
      c.last_event,
    )})
    select ${accountKey}::integer, ${runId}::bigint, met.user_id, ${u.user_key}, false, ${u.max_risk_level}, met.max_risk_level,
           ${u.max_risk_level} is distinct from met.max_risk_level,
           ${u.user_key} is null or (${i.email}, ${i.name}) is distinct from (met.email, met.name),
           ${u.user_key} is null or (${u.event_count}, ${u.last_event}) is distinct from (met.event_count, met.last_event),
           met.email, met.name, met.event_count, met.last_event
      from (
        select distinct on (${s.user_id})
               ${s.user_id}, ${s.email}, ${s.name}, ${s.max_risk_level}, ${s.event_count}, ${s.last_event}
          from ${s}
         where ${s.account_key} = ${accountKey} and ${s.run_id} = ${runId}
         order by ${s.user_id}, ${s.read_order} desc, ${s.position} desc) met
      left join ${u} on ${u.account_key} = ${accountKey} and ${u.user_id} = met.user_id
      left join ${i} on ${i.account_key} = ${accountKey} and ${i.user_key} = ${u.user_key} and ${i.valid_to} is null
     where ${u.user_key} is null
        or ${u.max_risk_level} is distinct from met.max_risk_level
        or (${u.event_count}, ${u.last_event}) is distinct from (met.event_count, met.last_event)
        or (${i.email}, ${i.name}) is distinct from (met.email, met.name)`;
}

/** Present users without a staged record and without a rejected one: those of a rejected record count as met. */
function missingStatement({ accountKey, runId }: Run): SQL {
  const c = stagedChanges;
  const u = users;
  return sql`
    insert into ${stagedChanges} (${columnNames(
      c.account_key,
      c.run_id,
      c.user_id,
      c.user_key,
      c.is_missing,
      c.old_level,
      c.level_changed,
      c.identity_changed,
      c.activity_changed,
      c.absent_since,
    )})
    select ${accountKey}::integer, ${runId}::bigint, ${u.user_id}, ${u.user_key}, true, ${u.max_risk_level},
           false, false, false, ${u.absent_since}
      from ${u}
     where ${u.account_key} = ${accountKey} and ${u.max_risk_level} is not null and not ${wasMet({ accountKey, runId })}`;
}

/** What the own records of the missing said. */
function answersStatement({ accountKey, runId }: Run, answers: ReadonlyMap<string, LookupAnswer>): SQL {
  const c = stagedChanges;
  const rows = [...answers].map(([userId, answer]) => ({ user_id: userId, ...answer }));
  return sql`
    update ${c} set ${columnNames(c.lookup_outcome)} = a.outcome, ${columnNames(c.last_reset_time)} = a."lastResetTime"
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) a(user_id uuid, outcome text, "lastResetTime" timestamptz)
     where ${c.account_key} = ${accountKey} and ${c.run_id} = ${runId} and ${c.is_missing} and ${c.user_id} = a.user_id`;
}

/**
 * Gives those of the missing who are cleared the reason why. Returns how many. `everybody` and `absent_twice` rest on walks,
 * `gone` on the users' own records; a record that shows a level keeps its user whatever else is said.
 */
export async function chooseCleared(
  tx: Transaction,
  { accountKey, runId }: Run,
  decision: 'gone' | 'absent_twice' | 'everybody',
): Promise<number> {
  const [c, s, l] = [stagedChanges, snapshots, lookups];
  const lastComplete = sql`(select max(${s.observed_at}) from ${s}
     where ${s.account_key} = ${accountKey} and ${s.verdict} = 'complete')`;
  // A walk that lacked the user when their own record said that they are there proves nothing.
  const absentTwice = sql`${c.absent_since} <= ${lastComplete} and not exists (select 1 from ${l}
     where ${l.account_key} = ${accountKey} and ${l.user_key} = ${c.user_key} and ${l.level_at} >= ${lastComplete})`;
  const isCleared = {
    gone: sql`${c.lookup_outcome} in ('no_level', 'reset', 'not_found')`,
    absent_twice: absentTwice,
    everybody: sql`true`,
  }[decision];
  const { rowCount } = await tx.execute(sql`
    update ${c} set ${columnNames(c.end_reason)} = case when ${c.lookup_outcome} = 'reset' then 'reset' else 'absent' end
     where ${c.account_key} = ${accountKey} and ${c.run_id} = ${runId} and ${c.is_missing}
       and ${c.lookup_outcome} is distinct from 'level' and ${isCleared}`);
  return rowCount ?? 0;
}

/**
 * Whether the walk met the user of the surrounding row of `users`, by an accepted record or a rejected one. One EXISTS over
 * both, which becomes a hash join; two joined by OR become a subplan that reads staging once per user.
 */
export function wasMet({ accountKey, runId }: Run): SQL {
  const s = stagedRecords;
  const r = rejectedRecords;
  return sql`exists (select 1 from (
        select ${s.user_id} from ${s} where ${s.account_key} = ${accountKey} and ${s.run_id} = ${runId}
        union all
        select ${r.user_id} from ${r} where ${r.account_key} = ${accountKey} and ${r.last_run_id} = ${runId}) met
      where met.user_id = ${users.user_id})`;
}

function countStatement({ accountKey, runId }: Run): SQL {
  const c = stagedChanges;
  const s = stagedRecords;
  const u = users;
  const changed = (condition: SQL) => sql`count(*) filter (where ${condition})::integer`;
  return sql`
    select now.present, now.absent, count(${c.user_id})::integer as changes,
           (select count(*)::integer from (select distinct ${s.user_id} from ${s}
             where ${s.account_key} = ${accountKey} and ${s.run_id} = ${runId}) met) as met,
           ${changed(c.is_missing.getSQL())} as missing,
           ${changed(sql`${c.lookup_outcome} = 'level'`)} as "stillThere",
           ${changed(sql`${c.lookup_outcome} in ('no_level', 'reset', 'not_found')`)} as gone,
           ${changed(sql`${c.lookup_outcome} is not null`)} as asked,
           ${changed(sql`not ${c.is_missing} and ${c.user_key} is null`)} as appeared,
           ${changed(sql`${c.level_changed} and ${c.user_key} is not null and ${c.old_level} is null`)} as returned,
           ${changed(sql`${c.level_changed} and ${rank(c.new_level.getSQL())} > ${rank(c.old_level.getSQL())}`)} as raised,
           ${changed(sql`${c.level_changed} and ${rank(c.new_level.getSQL())} < ${rank(c.old_level.getSQL())}`)} as lowered
      from (select count(*) filter (where ${u.max_risk_level} is not null)::integer as present,
                   count(*) filter (where ${u.absent_since} is not null)::integer as absent
              from ${u} where ${u.account_key} = ${accountKey}) now
      left join ${c} on ${c.account_key} = ${accountKey} and ${c.run_id} = ${runId}
     group by now.present, now.absent`;
}

/** 1 low, 2 medium, 3 high; null stays null. */
export function rank(level: SQL): SQL {
  return sql`array_position(array['low', 'medium', 'high'], ${level})`;
}
