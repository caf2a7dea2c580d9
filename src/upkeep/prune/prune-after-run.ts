// Deletes what is too old after a run, where a retention is set. It must cost next to nothing when nothing is too old,
// and never fail a run that has succeeded.
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { databaseError } from '../../db/database-errors.ts';
import { accounts as a, retention as t } from '../../db/schema.ts';
import type { Logger } from '../../logger.ts';
import { keepsForEver, type Retention } from '../../retention.ts';
import { pruneAccount, type PruneDeps } from './prune-account.ts';

/** Rows are deleted at most once in this time, in batches that are worth a transaction. */
const EVERY_S = 3_600;
/** The rest is for the next run. So a retention that was just set does not hold a command or a replica for long. */
const LONGEST_MS = 60_000;

/** Never throws. A run of the account that has begun meanwhile goes first. */
export async function pruneAfterRun(
  { logger, ...deps }: PruneDeps & { logger: Pick<Logger, 'info' | 'warn'> },
  { accountId, retention, signal }: { accountId: string; retention: Retention; signal: AbortSignal },
): Promise<void> {
  if (keepsForEver(retention) || signal.aborted) return;
  const over = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_MS)]);
  let rows = 0;
  try {
    const accountKey = await dueAccount(deps, accountId);
    if (accountKey === null) return;
    let [before, part]: [number, string] = [0, ''];
    await pruneAccount(deps, {
      accountKey,
      retention,
      signal: over,
      onBusy: () => false,
      onProgress(now, count) {
        if (now !== part) before = rows;
        part = now;
        rows = before + count;
      },
    });
  } catch (error) {
    if (!over.aborted) logger.warn({ account_id: accountId, error_code: codeOf(error) }, 'prune failed');
  }
  if (rows > 0) logger.info({ account_id: accountId, rows }, 'old rows deleted');
}

/** Null: rows of the account were deleted a short while ago, or it is not known. */
async function dueAccount({ pool }: Pick<PruneDeps, 'pool'>, accountId: string): Promise<number | null> {
  const db = drizzle(pool);
  const [account] = await db.select({ key: a.account_key }).from(a).where(eq(a.account_id, accountId));
  if (account === undefined) return null;
  const [newest] = await db
    .select({
      isRecent: sql<boolean>`coalesce(max(${t.pruned_at}) > now() - ${sql.raw(String(EVERY_S))} * interval '1 second', false)`,
    })
    .from(t)
    .where(eq(t.account_key, account.key));
  return newest?.isRecent === true ? null : account.key;
}

function codeOf(error: unknown): string {
  return databaseError(error)?.code ?? (error as { code?: string }).code ?? 'UNEXPECTED';
}
