// Deletes old rows after a run, if a retention is set. It must cost next to nothing when no rows are too old, and must
// never fail a run that has succeeded.
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { databaseError } from '../../db/database-errors.ts';
import { accounts as a, retention as t } from '../../db/schema.ts';
import type { Logger } from '../../logger.ts';
import { keepsForEver, PRUNABLE, type Retention } from '../../retention.ts';
import { pruneAccount, type PruneDeps } from './prune-account.ts';

/** The longest time that rows wait until there are enough of them for a transaction. */
const LONGEST_WAIT_MS = 3_600_000;
/** A later run deletes the rest. So a new retention does not block a command or a replica for long. */
const LONGEST_MS = 60_000;

/** Never throws. If a run of the account has begun, that run has priority. */
export async function pruneAfterRun(
  { logger, ...deps }: PruneDeps & { logger: Pick<Logger, 'info' | 'warn'> },
  { accountId, retention, signal }: { accountId: string; retention: Retention; signal: AbortSignal },
): Promise<void> {
  if (keepsForEver(retention) || signal.aborted) return;
  const over = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_MS)]);
  let rows = 0;
  try {
    const due = await dueParts(deps, accountId, retention);
    if (due === null) return;
    let [before, part]: [number, string] = [0, ''];
    await pruneAccount(deps, {
      ...due,
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

/** Null: no rows are past their retention, or the account is not known. */
async function dueParts(
  { pool }: Pick<PruneDeps, 'pool'>,
  accountId: string,
  retention: Retention,
): Promise<{ accountKey: number; retention: Retention } | null> {
  const rows = await drizzle(pool)
    .select({
      accountKey: a.account_key,
      part: t.dataset,
      keptMs: sql<number | null>`(extract(epoch from now() - ${t.whole_since}) * 1000)::float8`,
    })
    .from(a)
    .leftJoin(t, eq(t.account_key, a.account_key))
    .where(eq(a.account_id, accountId));
  const [account] = rows;
  if (account === undefined) return null;
  const keptMs = new Map(rows.map((row) => [row.part, row.keptMs]));
  const due = Object.fromEntries(
    PRUNABLE.map((part) => [part, isDue(keptMs.get(part) ?? null, retention[part]) ? retention[part] : null]),
  ) as Retention;
  return keepsForEver(due) ? null : { accountKey: account.accountKey, retention: due };
}

/**
 * Whether the kept rows exceed the retention by enough: by an hour, or by a hundredth of a short retention. So a
 * retention of minutes is applied after each run, and a new setting takes effect with the next run. `keptMs` null:
 * nothing was ever deleted. Pure.
 */
export function isDue(keptMs: number | null, keepMs: number | null): boolean {
  if (keepMs === null) return false;
  return keptMs === null || keptMs > keepMs + Math.min(LONGEST_WAIT_MS, keepMs / 100);
}

function codeOf(error: unknown): string {
  return databaseError(error)?.code ?? (error as { code?: string }).code ?? 'UNEXPECTED';
}
