// Every row of a history as JSON, by table, in an order of its own: for comparing two databases without the code that
// copies. Leases and staged rows are no part of a history, and the clock differs by its epoch.
import type { MigratedDatabase } from './migrated-database.ts';

export type WholeHistory = Record<string, readonly string[]>;

const NO_PART = ['leases', 'staged_changes', 'staged_rejected', 'feed_clock', 'migrations', 'epochs'];

export async function wholeHistory({ rows }: Pick<MigratedDatabase, 'rows'>): Promise<WholeHistory> {
  const tables = await rows<{ name: string }>(
    `select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('risk', 'risk_internal') and c.relkind = 'r' and c.relname <> all ($1) order by 1`,
    [NO_PART],
  );
  const whole: Record<string, readonly string[]> = {};
  for (const { name } of tables) {
    const found = await rows<{ row: string }>(`select to_jsonb(t)::text as row from ${name} t`);
    whole[name] = found.map(({ row }) => row).toSorted();
  }
  const sequences = await rows<{ row: string }>(
    `select sequencename || ' ' || coalesce(last_value, 0) as row from pg_sequences
      where schemaname in ('risk', 'risk_internal') and sequencename <> 'migrations_id_seq' order by 1`,
  );
  const clock = await rows<{ row: string }>(
    'select last_snapshot_id::text as row from risk_internal.feed_clock',
  );
  return { ...whole, sequences: sequences.map(({ row }) => row), clock: clock.map(({ row }) => row) };
}
