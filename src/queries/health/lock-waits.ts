// Which sessions block others in this database, and which have held locks on the history for long. For all roles: what
// a role may not see of other sessions is null.
import { sql } from 'drizzle-orm';
import { HOLDER_COLUMNS, type LockHolder } from '../../db/locks/lock-holders.ts';
import type { Transaction } from '../../db/transaction.ts';

/**
 * `blocks`: the number of sessions that wait for it, directly or behind others. 0: it blocks none, but has held locks
 * for long.
 */
export type LockFinding = LockHolder & { blocks: number };

export async function lockWaits(tx: Transaction): Promise<LockFinding[]> {
  const { rows } = await tx.execute<LockFinding>(sql`
    with recursive waiting as (
           select distinct l.pid from pg_locks l join pg_stat_activity w using (pid)
            where not l.granted and w.datname = current_database()),
         chain (waiter, pid) as (
           select pid, unnest(pg_blocking_pids(pid)) from waiting
            union select waiter, unnest(pg_blocking_pids(pid)) from chain where pid <> 0),
         blocker as (select pid, count(distinct waiter)::integer as blocks from chain
            where cardinality(pg_blocking_pids(pid)) = 0 group by pid),
         lasting as (
           select distinct l.pid from pg_locks l
             join pg_class c on c.oid = l.relation and l.database = (select oid from pg_database where datname = current_database())
             join pg_stat_activity a on a.pid = l.pid
            where l.granted and c.relnamespace::regnamespace::text in ('risk', 'risk_internal', 'risk_bi')
              and a.xact_start < now() - interval '1 minute' and a.application_name <> 'zt-risk-sync')
    select ${sql.raw(HOLDER_COLUMNS)}, coalesce(b.blocks, 0) as blocks
      from blocker b full join lasting using (pid) left join pg_stat_activity a using (pid)
     where pid is distinct from pg_backend_pid()
     order by blocks desc, a.xact_start limit 5`);
  return rows;
}
