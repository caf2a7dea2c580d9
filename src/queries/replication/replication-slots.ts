// The logical replication slots of this database. A slot keeps WAL on the server until its reader has confirmed it.
// Every role may read this.
import { sql } from 'drizzle-orm';
import type { Transaction } from '../../db/transaction.ts';

export type ReplicationSlot = {
  slot: string;
  /** "pgoutput" reads a publication. Only the reader knows which one. */
  plugin: string;
  /** Whether a reader is connected. */
  active: boolean;
  /** reserved, extended, unreserved (about to be lost) or lost. */
  wal_status: string | null;
  /** Bytes of WAL written after the position that the reader has confirmed. */
  lag_bytes: number | null;
  /** Bytes of WAL that the server keeps for it. */
  held_bytes: number | null;
  /** PostgreSQL 17 and newer; otherwise null. */
  inactive_since: string | null;
};

export type SlotLimits = {
  slots: ReplicationSlot[];
  /** "-1": without a limit. */
  maxSlotWalKeepSize: string;
};

export async function replicationSlots(tx: Transaction): Promise<ReplicationSlot[]> {
  // Slots for the first copy of a table are temporary, or end with that copy.
  const { rows } = await tx.execute<ReplicationSlot>(sql`
    select slot_name::text as slot, plugin::text as plugin, active, wal_status,
           pg_wal_lsn_diff(newest, coalesce(confirmed_flush_lsn, restart_lsn))::float8 as lag_bytes,
           pg_wal_lsn_diff(newest, restart_lsn)::float8 as held_bytes,
           to_jsonb(s) ->> 'inactive_since' as inactive_since
      from pg_replication_slots s,
           (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as newest) w
     where slot_type = 'logical' and database = current_database() and not temporary order by slot_name`);
  return rows;
}

export async function slotsAndLimits(tx: Transaction): Promise<SlotLimits> {
  const { rows } = await tx.execute<{ size: string }>(
    sql`select current_setting('max_slot_wal_keep_size') as size`,
  );
  return { slots: await replicationSlots(tx), maxSlotWalKeepSize: rows[0]?.size ?? '' };
}
