// What the database knows, in Prometheus' format. Each scrape gets its own registry: scrapes may overlap, and a retired
// account must not leave its last values behind.
import { Gauge, Registry } from 'prom-client';
import { PREFIX } from '../metrics.ts';
import type { AccountGauges } from '../queries/accounts/account-gauges.ts';
import type { RequestWindow } from '../queries/health/request-windows.ts';
import type { ReplicationSlot } from '../queries/replication/replication-slots.ts';

export type DatabaseView = {
  state: 'answers' | 'slow' | 'down';
  /** Null when it is not known. */
  migrated: boolean | null;
  accounts: readonly AccountGauges[];
  slots: readonly ReplicationSlot[];
  windows: readonly RequestWindow[];
  /** When the accounts were read, in seconds since 1970. Null when they were not. */
  readAt: number | null;
};

const OF_ACCOUNT: [name: string, help: string, value: (account: AccountGauges) => number | null][] = [
  ['account_added_timestamp_seconds', 'When the account was added.', (a) => a.added_at],
  ['users_carried', 'Users in the newest snapshot that its walk did not meet.', (a) => a.users_carried],
  [
    'snapshot_observed_timestamp_seconds',
    'The instant that the newest snapshot stands for.',
    (a) => a.observed_at,
  ],
  ['last_success_timestamp_seconds', 'When the newest successful run ended.', (a) => a.last_success_at],
  [
    'last_complete_timestamp_seconds',
    'When the newest run with a complete walk ended.',
    (a) => a.last_complete_at,
  ],
  [
    'consecutive_failed_runs',
    'Runs that failed or were abandoned since the newest success, at most 1000.',
    (a) => a.failed_runs,
  ],
  [
    'consecutive_partial_runs',
    'Runs that published a partial snapshot since the newest complete one, at most 1000.',
    (a) => a.partial_runs,
  ],
  [
    'rejected_records_waiting',
    'Distinct rejected records that wait: the newest walk over all pages, or a later run, met them.',
    (a) => a.rejected_waiting,
  ],
  [
    'rejected_records_not_kept',
    'Rejected records of the newest walk over all pages that were only counted: their text is not kept.',
    (a) => a.rejected_not_kept,
  ],
  ['last_prune_timestamp_seconds', 'When old rows were last deleted.', (a) => a.last_prune_at],
  [
    'lease_held',
    '1 while a run of the account is in progress, on any replica.',
    (a) => (a.lease_started_at === null ? 0 : 1),
  ],
  ['lease_start_timestamp_seconds', 'When the run in progress began.', (a) => a.lease_started_at],
  [
    'lease_heartbeat_age_seconds',
    'Time since the last heartbeat of the run in progress. Another run may take over after 30 s.',
    (a) => a.lease_heartbeat_age,
  ],
];

const OF_WINDOW: [name: string, help: string, value: (window: RequestWindow) => number][] = [
  [
    'shared_requests',
    'Requests of the newest window that all replicas have reserved. credentials: the begin of their hash.',
    (w) => w.used,
  ],
  ['shared_requests_limit', 'Requests that all replicas together may send in one window.', (w) => w.limit],
  ['shared_requests_wait_seconds', 'How long the newest reservation waits.', (w) => w.wait_s],
  [
    'shared_requests_blocked_seconds',
    'How long all replicas hold back because the API answered 429.',
    (w) => w.blocked_s,
  ],
];

export async function accountMetrics({
  state,
  migrated,
  accounts,
  slots,
  windows,
  readAt,
}: DatabaseView): Promise<string> {
  const registers = [new Registry()];
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: PREFIX + name, help, labelNames, registers });
  gauge(
    'database_up',
    '1 when the database accepts connections. The metrics of accounts come from the database.',
  ).set(state === 'down' ? 0 : 1);
  gauge(
    'database_slow',
    '1 when the database accepts connections, but did not answer within 3 s. Then the metrics of accounts are the last ones that were read.',
  ).set(state === 'slow' ? 1 : 0);
  if (migrated !== null)
    gauge('database_migrated', '1 when the database schema is the one of this version.').set(
      migrated ? 1 : 0,
    );
  if (readAt !== null)
    gauge('accounts_read_timestamp_seconds', 'When the metrics of accounts were read from the database.').set(
      readAt,
    );
  const users = gauge('users', 'Users in the newest snapshot, by level.', ['account_id', 'max_risk_level']);
  for (const { account_id, users: levels } of accounts)
    for (const [max_risk_level, count] of Object.entries(levels))
      users.set({ account_id, max_risk_level }, count);
  const pruned = gauge('pruned_rows', 'Rows that were ever deleted because they were old.', [
    'account_id',
    'dataset',
  ]);
  for (const { account_id, pruned_rows: parts } of accounts)
    for (const [dataset, count] of Object.entries(parts)) pruned.set({ account_id, dataset }, count);
  for (const [name, help, valueOf] of OF_ACCOUNT) {
    const metric = gauge(name, help, ['account_id']);
    for (const account of accounts) {
      const value = valueOf(account);
      if (value !== null) metric.set({ account_id: account.account_id }, value);
    }
  }
  const lag = gauge(
    'replication_slot_lag_bytes',
    'WAL that the reader of a logical replication slot has not confirmed.',
    ['slot'],
  );
  const lost = gauge(
    'replication_slot_lost',
    '1 when the server no longer has the WAL that the slot needs: its reader must begin again.',
    ['slot'],
  );
  for (const { slot, lag_bytes, wal_status } of slots) {
    if (lag_bytes !== null) lag.set({ slot }, lag_bytes);
    lost.set({ slot }, wal_status === 'lost' ? 1 : 0);
  }
  for (const [name, help, valueOf] of OF_WINDOW) {
    const metric = gauge(name, help, ['credentials']);
    for (const window of windows) metric.set({ credentials: window.credentials }, valueOf(window));
  }
  return registers[0]!.metrics();
}
