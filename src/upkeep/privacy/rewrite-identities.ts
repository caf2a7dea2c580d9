// Rewrites emails and names of one account in short transactions. They are read and written only by COPY, because the
// server may log parameters and literals. A rewritten identity is not found again, so the work may stop at any instant.
import { sql } from 'drizzle-orm';
import { copyRows, type CopyValue } from '../../db/copy-rows.ts';
import { holdSchema } from '../../db/migrate.ts';
import { decodeInstant, type PostgresInstant } from '../../db/postgres-instant.ts';
import type { Pool } from '../../db/pool.ts';
import { readAgain } from '../../db/read-again.ts';
import { readCopy, type CopiedRow } from '../../db/read-copy.ts';
import { stagedIdentities as s, userIdentities as i } from '../../db/schema.ts';
import { columnList, columnNames } from '../../db/sql/column-names.ts';
import { fieldColumns } from '../../db/sql/user-columns.ts';
import { setLocal } from '../../db/sql/set-local.ts';
import { inline, whole } from '../../db/sql/inline-sql.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../db/transaction.ts';
import { keyIdOf } from '../../pii-policy.ts';
import type { Holder } from '../../sync/claim/claim-lease.ts';
import { IDENTITY_FIELDS, mapIdentity, type Identity } from '../../user-risk.ts';
import { whileHeld } from '../../sync/claim/hold-account.ts';
import type { LeaseTiming } from '../../sync/claim/lease.ts';
import { holdsTooMuch, noteWriter, requireTarget, type TargetMode } from './change-mode.ts';

export type Batch = {
  rows: readonly (readonly CopyValue[])[];
  lastUserKey: number;
  /** The size of the rows, emails and names included. */
  bytes: number;
};

const COLUMNS = ['account_key', 'user_key', 'valid_from', 'snapshot_id', ...IDENTITY_FIELDS] as const;

/** At most `limit` identities that hold too much, of users with key `from` or higher, as rows of staged_identities. */
export async function readBatch(
  pool: Pool,
  accountKey: number,
  target: TargetMode,
  { from, limit }: { from: number; limit: number },
): Promise<Batch> {
  const query = sql`
    select ${columnList(i.user_key, i.valid_from, i.snapshot_id, ...fieldColumns(i, 'identity'))} from ${i}
     where ${i.account_key} = ${whole(accountKey)} and ${i.user_key} >= ${whole(from)} and ${holdsTooMuch(target)}
     order by ${i.user_key}, ${i.valid_from} limit ${whole(limit)}`;
  return readAgain(async () => {
    const rows: CopyValue[][] = [];
    let lastUserKey = from;
    const bytes = await readCopy(pool, inline(query), 3 + IDENTITY_FIELDS.length, (row) => {
      const at: PostgresInstant = { seconds: 0, micros: 0 };
      lastUserKey = row.bytes.readInt32BE(row.start[0]);
      decodeInstant(row.bytes, row.start[1] as number, at);
      const snapshotId = Number(row.bytes.readBigInt64BE(row.start[2]));
      const held = mapIdentity((_, nth) => textOf(row, 3 + nth));
      const kept = convert(held, target);
      rows.push([accountKey, lastUserKey, at, snapshotId, ...IDENTITY_FIELDS.map((field) => kept[field])]);
    });
    return { rows, lastUserKey, bytes };
  });
}

function textOf({ bytes, start, length }: CopiedRow, field: number): string | null {
  const size = length[field] as number;
  const from = start[field] as number;
  return size < 0 ? null : bytes.toString('utf8', from, from + size);
}

function convert(held: Identity, { convert: to, keyId, dropOldHashes }: TargetMode): Identity {
  const kept = to(held);
  if (!dropOldHashes) return kept;
  const own = (text: string | null) =>
    text !== null && keyIdOf(text) !== null && keyIdOf(text) !== keyId ? null : text;
  return mapIdentity((field) => own(kept[field]));
}

export type RewriteHooks = {
  timing: LeaseTiming;
  /** Named points at which tests kill the process; nothing in production. */
  failpoint?: ((name: 'begun' | 'copied' | 'rewritten' | 'committed' | 'ended') => Promise<void>) | undefined;
};

/** If a run works on the account, returns that run and does nothing. */
export async function writeBatch(
  pool: Pool,
  accountKey: number,
  target: TargetMode,
  { rows }: Batch,
  { timing, failpoint }: RewriteHooks,
): Promise<Holder | null> {
  const key = whole(accountKey);
  const rewritten = sql.join(
    IDENTITY_FIELDS.map((field) => sql`${columnNames(i[field])} = ${s[field]}`),
    sql`, `,
  );
  return inTransaction(pool, DEFAULT_LIMITS, async (tx, client) => {
    await holdSchema(tx);
    // Before any lock: no limit of the server ends a COPY if its client has stopped.
    await copyRows(client, s, COLUMNS, rows);
    await failpoint?.('copied');
    const held = await whileHeld(tx, { accountKey, timing }, async () => {
      await requireTarget(tx, accountKey, target);
      await tx.execute(sql.raw(setLocal('enable_hashjoin = off', 'enable_mergejoin = off')));
      const feedId = await noteWriter(tx, accountKey);
      await tx.execute(
        sql.raw(
          inline(sql`
        update ${i} set ${rewritten}, ${columnNames(i.snapshot_id)} = ${whole(feedId)}
          from ${s}
         where ${s.account_key} = ${key} and ${i.account_key} = ${key} and ${i.user_key} = ${s.user_key}
           and ${i.valid_from} = ${s.valid_from} and ${i.snapshot_id} = ${s.snapshot_id};
        delete from ${s} where ${s.account_key} = ${key}`),
        ),
      );
      await failpoint?.('rewritten');
    });
    if ('holder' in held) {
      await tx.execute(sql.raw(inline(sql`delete from ${s} where ${s.account_key} = ${key}`)));
      return held.holder;
    }
    return null;
  });
}
