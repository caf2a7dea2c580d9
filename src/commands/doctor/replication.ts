// Checks the slots of logical replication: a slot without a reader fills the disk of the server.
import type { Pool } from '../../db/pool.ts';
import { EXIT } from '../../errors.ts';
import {
  slotsAndLimits,
  type ReplicationSlot,
  type SlotLimits,
} from '../../queries/replication/replication-slots.ts';
import { dataSize, duration, plural } from '../../words.ts';
import { checkInDatabase } from './database.ts';
import { failed, merged, warning, type Line } from './lines.ts';

/** Same as in the alert rule ZtRiskSyncReplicationLag. */
const FAR_BEHIND = 1e9;
/** 16 files of WAL: more than an idle history collects between two loads. */
const MUCH_HELD = 16 * 2 ** 24;

export function checkReplication(pool: Pool): Promise<Line> {
  return checkInDatabase(pool, 'replication', 'pg_replication_slots', async (tx) =>
    judgeReplication(await slotsAndLimits(tx)),
  );
}

export function judgeReplication({ slots, maxSlotWalKeepSize }: SlotLimits): Line {
  const good =
    slots.length === 0
      ? 'no logical replication slot'
      : `${plural(slots.length, 'logical replication slot')}, none far behind`;
  const findings = slots.flatMap((slot) => judgeSlot(slot, maxSlotWalKeepSize === '-1') ?? []);
  return merged('replication', good, findings);
}

function judgeSlot(one: ReplicationSlot, isUnlimited: boolean): Line | null {
  const { slot } = one;
  const [lagBytes, heldBytes] = [one.lag_bytes ?? 0, one.held_bytes ?? 0];
  const drop = `\`select pg_drop_replication_slot('${slot}')\``;
  if (one.wal_status === 'lost')
    return failed(
      'replication',
      EXIT.failed,
      `slot ${slot} has lost the WAL that its reader needs`,
      `Drop it (${drop}), and let its reader begin again with a whole copy`,
    );
  const held = dataSize(heldBytes);
  if (one.wal_status === 'unreserved')
    return warning(
      'replication',
      `slot ${slot} is about to be lost: it needs ${held} of WAL, more than max_slot_wal_keep_size allows`,
      'Start its reader at once, or raise max_slot_wal_keep_size',
    );
  if (!one.active && heldBytes >= MUCH_HELD)
    return warning(
      'replication',
      `nobody reads slot ${slot}${since(one)}, and the server keeps ${held} of WAL for it${isUnlimited ? ', without a limit' : ''}`,
      `Start its reader, or drop the slot: ${drop}`,
    );
  if (lagBytes > FAR_BEHIND)
    return warning(
      'replication',
      `the reader of slot ${slot} is ${dataSize(lagBytes)} behind`,
      'See in the log of the reader why it is slow',
    );
  return null;
}

function since({ inactive_since }: ReplicationSlot): string {
  return inactive_since === null ? '' : ` for ${duration(Date.now() - Date.parse(inactive_since))}`;
}
