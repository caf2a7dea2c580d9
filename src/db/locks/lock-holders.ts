// Names the sessions that hold the lock a statement waits for. Asks during the wait: afterwards, the database no longer
// knows.
import type { Pool } from '../pool.ts';
import { clip, printable } from '../../words.ts';

export type LockHolder = {
  /** 0: a prepared transaction, which has no process. */
  pid: number;
  user: string | null;
  application: string | null;
  /** When its transaction began. Null: this role may not see that (pg_read_all_stats). */
  since: string | null;
};

/** A statement failed while others held the lock that it waited for. The cause is the error of the database. */
export class LockWait extends Error {
  override readonly name = 'LockWait';
  readonly holders: readonly LockHolder[];
  constructor(holders: readonly LockHolder[], cause: unknown) {
    super('waited for a lock', { cause });
    this.holders = holders;
  }
}

/** Columns of LockHolder, from `pg_stat_activity a`. Text, because a date depends on DateStyle. */
export const HOLDER_COLUMNS = `coalesce(a.pid, 0) as pid, coalesce(a.usename::text, a.backend_type) as user, a.application_name as application,
  to_char(a.xact_start at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS "UTC"') as since`;

// The sessions at the end of the chain: the others wait themselves.
const HOLDERS = `
  with recursive chain (pid) as (
    select unnest(pg_blocking_pids($1)) union select unnest(pg_blocking_pids(pid)) from chain where pid <> 0)
  select ${HOLDER_COLUMNS} from chain left join pg_stat_activity a on a.pid = chain.pid
   where cardinality(pg_blocking_pids(chain.pid)) = 0 order by a.xact_start`;
const MOST_MS = 3_000;
const LONGEST_PAUSE_MS = 30_000;
const PATIENCE_MS = 5_000;

export type LockWatch = {
  /** Adds the holders to the error of a wait. */
  named: (error: unknown) => unknown;
  /** Calls `listener` once, as soon as the session waits. Returns a function that stops this. */
  onWait: (listener: (holders: readonly LockHolder[]) => void) => () => void;
  stop: () => void;
};

/**
 * Looks a few times in each lock timeout which session blocks the session `pid`, on another connection. In a longer
 * wait it looks less and less often: fifty waiting sessions that ask all the time would load the server.
 */
export function watchLocks(pool: Pool, pid: number, lockMs: number): LockWatch {
  let holders: LockHolder[] = [];
  let listener: ((holders: readonly LockHolder[]) => void) | undefined;
  const baseMs = Math.min(lockMs / 3, MOST_MS);
  let timer: NodeJS.Timeout;
  let isOver = false;
  const ask = (pauseMs: number) => {
    timer = setTimeout(() => {
      // An answer shows a wait only if the question was asked after the wait had begun.
      const told = listener;
      pool
        .query<LockHolder>({ text: HOLDERS, values: [pid], query_timeout: PATIENCE_MS } as never)
        .then(({ rows }) => {
          holders = rows;
          if (isOver || told === undefined || told !== listener || rows.length === 0) return;
          listener = undefined;
          told(rows);
        })
        .catch(() => undefined)
        .finally(() => {
          if (!isOver) ask(holders.length > 0 ? Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS) : baseMs);
        });
    }, pauseMs);
  };
  ask(baseMs);
  return {
    named: (error) => (holders.length > 0 && isWait(error) ? new LockWait(holders, error) : error),
    onWait(tell) {
      listener = tell;
      return () => {
        if (listener === tell) listener = undefined;
      };
    },
    stop() {
      isOver = true;
      clearTimeout(timer);
    },
  };
}

/** Lock timeout, or a statement's time limit, which may end first. */
function isWait(error: unknown): boolean {
  for (let one: unknown = error; one instanceof Error; one = one.cause)
    if (['55P03', '57014'].includes(String((one as { code?: unknown }).code))) return true;
  return false;
}

/** Empty if the error is not known to come from a wait for a session. */
export function holdersOf(error: unknown): readonly LockHolder[] {
  for (let one: unknown = error; one instanceof Error; one = one.cause)
    if (one instanceof LockWait) return one.holders;
  return [];
}

/** "process 34 (user grafana, application psql, in a transaction since 2026-11-23 18:04:11 UTC)" */
export function describeHolders(holders: readonly LockHolder[]): string {
  return holders.map(describeHolder).join(' and ');
}

function describeHolder({ pid, user, application, since }: LockHolder): string {
  if (pid === 0) return 'a prepared transaction (see pg_prepared_xacts)';
  const facts = [
    user === null ? '' : `user ${shown(user)}`,
    application === null || application === '' ? '' : `application ${shown(application)}`,
    since === null
      ? 'since when is hidden from this role, which lacks pg_read_all_stats'
      : `in a transaction since ${since}`,
  ];
  return `process ${pid} (${facts.filter(Boolean).join(', ')})`;
}

const shown = (text: string) => clip(printable(text), 40);

/** What a person can do about them. */
export function endHolders(holders: readonly LockHolder[]): string {
  const pids = holders.map(({ pid }) => pid).filter((pid) => pid !== 0);
  const statements = pids.map((pid) => `select pg_terminate_backend(${pid});`).join(' ');
  return pids.length === 0
    ? 'End it with `commit prepared` or `rollback prepared`'
    : `Let it finish, or end it in the database: \`${statements}\``;
}
