// Compares saved files with the history: which files were imported before, and which can still be appended.
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { accounts, imports, snapshots } from '../../db/schema.ts';
import { OperatorError } from '../../errors.ts';
import type { FileFacts } from '../../saved/inspect-file.ts';
import { planSnapshots, type PlannedSnapshot } from '../../saved/plan-snapshots.ts';
import { shown } from '../../saved/saved-file.ts';
import { accountRetired, keyOfAccount } from '../../sync/claim/account-row.ts';
import { forImport } from './import-errors.ts';

export type ImportPlan = {
  /** In the order of time. */
  todo: readonly PlannedSnapshot[];
  done: readonly { planned: PlannedSnapshot; snapshotId: number }[];
};

/**
 * `now`: by the database's clock. Throws IMPORT_PAGES_TWICE, ACCOUNT_RETIRED if there is something to import,
 * FUTURE_INSTANT, and IMPORT_OUT_OF_ORDER if a file that was not imported is not newer than the history.
 */
export async function planImport(
  pool: Pool,
  accountId: string,
  found: readonly { at: Date; facts: FileFacts }[],
): Promise<ImportPlan> {
  const history = await readHistory(pool, accountId);
  const split = planSnapshots(found).map((planned) => ({ planned, snapshotId: history.importedAs(planned) }));
  const todo = split.flatMap(({ planned, snapshotId }) => (snapshotId === null ? [planned] : []));
  const done = split.flatMap(({ planned, snapshotId }) =>
    snapshotId === null ? [] : [{ planned, snapshotId }],
  );
  const { newestAt, now } = history;
  // Otherwise a dry run would promise an import that is then refused.
  if (history.isRetired && todo.length > 0) throw forImport(accountRetired(accountId));
  const future = todo.filter(({ at }) => at > now);
  if (future[0] !== undefined) throw inFuture(future[0], future.length, now);
  const late = newestAt === null ? [] : todo.filter(({ at }) => at <= newestAt);
  if (late[0] !== undefined && newestAt !== null) throw outOfOrder(accountId, late[0], late.length, newestAt);
  return { todo, done };
}

type EarlierImports = {
  isRetired: boolean;
  newestAt: Date | null;
  now: Date;
  /** The snapshot that was made of all these files under this instant. Null if there is none. */
  importedAs(planned: PlannedSnapshot): number | null;
};

type Row = { now: string; newest: string | null; key: number | null; retired: boolean };

async function readHistory(pool: Pool, accountId: string): Promise<EarlierImports> {
  const [a, s, i] = [accounts, snapshots, imports];
  const db = drizzle(pool);
  // A distributed history would ask every node for the account of an id. No account has key 0.
  const named = sql`${(await keyOfAccount(db, accountId)) ?? 0}::integer`;
  const { rows } = await db.execute<Row>(sql`
    select ${ms(sql`now()`)} as now, ${a.account_key} as key, ${a.retired_at} is not null as retired,
           (select ${ms(sql`max(${s.observed_at})`)} from ${s} where ${s.account_key} = ${named}) as newest
      from (select) one left join ${a} on ${a.account_key} = ${named}`);
  const { now, newest, key, retired } = rows[0]!;
  const known =
    key === null
      ? []
      : await db
          .select({
            ms: sql<number>`${ms(sql`${i.observed_at}`)}`,
            digest: i.digest,
            snapshotId: i.snapshot_id,
          })
          .from(i)
          .where(eq(i.account_key, key));
  const byFile = new Map(known.map((one) => [`${one.ms} ${one.digest}`, one.snapshotId]));
  return {
    isRetired: retired,
    newestAt: newest === null ? null : new Date(newest),
    now: new Date(now),
    importedAs({ at, files }) {
      const ids = files.map(({ digest }) => byFile.get(`${at.getTime()} ${digest}`));
      const [first] = ids;
      return first !== undefined && ids.every((id) => id === first) ? first : null;
    },
  };
}

/** A whole number of milliseconds since 1970. */
function ms(instant: ReturnType<typeof sql>) {
  return sql`floor(extract(epoch from ${instant}) * 1000)::float8`;
}

function inFuture(first: PlannedSnapshot, count: number, now: Date): OperatorError {
  return new OperatorError({
    code: 'FUTURE_INSTANT',
    happened: `${named(first, count)} of ${first.at.toISOString()}, later than the database's clock (${now.toISOString()})`,
    means: 'A snapshot from the future would block every later run. Nothing was imported',
    todo: 'Look at the time in the name, and at --timezone or --at. If the time is right, check the clock of the database',
  });
}

/** `newestAt`: of the newest snapshot in the history. */
export function outOfOrder(
  accountId: string,
  first: PlannedSnapshot,
  count: number,
  newestAt: Date,
): OperatorError {
  return new OperatorError({
    code: 'IMPORT_OUT_OF_ORDER',
    happened: `${named(first, count)} of ${first.at.toISOString()}, and the newest snapshot of account ${accountId} is of ${newestAt.toISOString()}`,
    means:
      'A history only grows at its end, because published snapshots never change. Nothing of this was imported',
    todo: 'Import first, then sync: name an empty database in DATABASE_URL, import all files there in one command, and sync into it from then on. Or leave out the files that are too old',
  });
}

function named({ files }: PlannedSnapshot, count: number): string {
  const one = files[0] === undefined ? 'a file' : shown(files[0].file);
  return count === 1 ? `${one} is` : `The files of ${count} snapshots, the first of them ${one}, are`;
}
