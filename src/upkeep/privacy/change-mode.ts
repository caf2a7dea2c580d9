// The record of what is kept of the emails and names of an account: read, changed, completed. From the first
// transaction of a change to the last one, no run of the account may write.
import { and, eq, sql, type SQL } from 'drizzle-orm';
import { refuseCopied, takeFeedValue } from '../../db/feed-clock.ts';
import { on, type Db } from '../../db/handle.ts';
import {
  accountWriters as w,
  identityModes as m,
  rejectedRecords,
  userIdentities as i,
} from '../../db/schema.ts';
import { columnNames } from '../../db/sql/column-names.ts';
import { whole } from '../../db/sql/inline-sql.ts';
import type { Transaction } from '../../db/transaction.ts';
import { OperatorError } from '../../errors.ts';
import { anyOf, fieldColumns } from '../../db/sql/user-columns.ts';
import { HASH_PATTERN, type PiiMode, type PiiPolicy } from '../../pii-policy.ts';

export type TargetMode = Pick<PiiPolicy, 'mode' | 'keyId' | 'convert'> & {
  /** Whether hashes of another key are removed. They cannot be found any more, and cannot be computed again. */
  dropOldHashes: boolean;
};

export type RecordedMode = { mode: PiiMode; keyId: string | null; isApplied: boolean };

/** Null: no mode was recorded, so everything was kept. */
export async function readMode(db: Db, accountKey: number): Promise<RecordedMode | null> {
  const [row] = await on(db).select().from(m).where(eq(m.account_key, accountKey));
  return row === undefined
    ? null
    : { mode: row.mode as PiiMode, keyId: row.key_id, isApplied: row.is_applied };
}

export function isSame(recorded: RecordedMode | null, { mode, keyId }: TargetMode): boolean {
  return (recorded?.mode ?? 'full') === mode && (recorded?.keyId ?? null) === keyId;
}

/** Identities that hold more than the mode allows. The condition contains no email and no name. */
export function holdsTooMuch({ mode, keyId, dropOldHashes }: TargetMode): SQL {
  if (mode === 'full') return sql`false`;
  const parts = fieldColumns(i, 'identity');
  if (mode === 'none') return anyOf(parts, (column) => sql`${column} is not null`);
  const hash = sql.raw(`'${HASH_PATTERN}'`);
  const own = sql.raw(`'hmac-sha256:${keyId}:%'`);
  return anyOf(
    parts,
    (column) =>
      sql`(${column} <> '' and (${column} !~ ${hash}${dropOldHashes ? sql` or ${column} not like ${own}` : sql``}))`,
  );
}

/** The account is held. Returns the number of deleted rejected records: their texts may hold anything. */
export async function beginChange(tx: Transaction, accountKey: number, target: TargetMode): Promise<number> {
  const [row] = await tx.select().from(m).where(eq(m.account_key, accountKey)).for('update');
  const isKept = row === undefined || row.mode === 'full';
  const keyId = target.mode === 'pseudonymous' ? target.keyId : null;
  const since = row?.mode === target.mode && row.key_id === keyId ? sql`${m.since}` : sql`excluded.since`;
  await tx.execute(sql`
    insert into ${m} (${columnNames(m.account_key, m.mode, m.key_id, m.since, m.is_applied)})
    values (${accountKey}, ${target.mode}, ${keyId}, now(), ${target.mode === 'full'})
    on conflict (${columnNames(m.account_key)}) do update set ${columnNames(m.mode)} = excluded.mode,
      ${columnNames(m.key_id)} = excluded.key_id, ${columnNames(m.since)} = ${since},
      ${columnNames(m.is_applied)} = excluded.is_applied`);
  const gone =
    isKept && target.mode !== 'full'
      ? await tx.delete(rejectedRecords).where(eq(rejectedRecords.account_key, accountKey))
      : null;
  await noteWriter(tx, accountKey);
  return gone?.rowCount ?? 0;
}

/** Takes a value of the feed clock. A run that read the account's state before it can no longer publish. */
export async function noteWriter(tx: Transaction, accountKey: number): Promise<number> {
  await refuseCopied(tx, accountKey);
  const feedId = await takeFeedValue(tx, accountKey);
  await tx.update(w).set({ last_snapshot_id: feedId }).where(eq(w.account_key, accountKey));
  return feedId;
}

/** The account is held. Throws IDENTITY_MODE if another change has begun. */
export async function requireTarget(tx: Transaction, accountKey: number, target: TargetMode): Promise<void> {
  const [row] = await tx.select().from(m).where(eq(m.account_key, accountKey)).for('share');
  if (row !== undefined && row.mode === target.mode && row.key_id === target.keyId && !row.is_applied) return;
  throw new OperatorError({
    code: 'IDENTITY_MODE',
    happened: 'Another call has changed what is kept of emails and names, or has completed the change',
    means: 'Two calls would undo each other, so this one has stopped',
    todo: 'Run `zt-risk-sync privacy` to see what is kept, and `zt-risk-sync privacy apply` again if it is not what you want',
  });
}

/** The account is held. False: some identities are left to rewrite. */
export async function endChange(tx: Transaction, accountKey: number, target: TargetMode): Promise<boolean> {
  const recorded = await readMode(tx, accountKey);
  // After a COMMIT without a reply.
  if (recorded?.isApplied === true && isSame(recorded, target)) return true;
  await requireTarget(tx, accountKey, target);
  const { rows } = await tx.execute(sql`
    select 1 from ${i} where ${i.account_key} = ${whole(accountKey)} and ${holdsTooMuch(target)} limit 1`);
  if (rows.length > 0) return false;
  await tx
    .update(m)
    .set({ is_applied: true })
    .where(and(eq(m.account_key, accountKey), eq(m.is_applied, false)));
  return true;
}
