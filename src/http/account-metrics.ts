// What the database says, as Prometheus reads it. A registry for each scrape: scrapes may overlap, and an account that
// was retired must not leave its last values behind.
import { Gauge, Registry } from 'prom-client';
import { PREFIX } from '../metrics.ts';
import type { AccountGauges } from '../queries/accounts/account-gauges.ts';

export type DatabaseView = { up: boolean; migrated: boolean; accounts: readonly AccountGauges[] };

const OF_ACCOUNT: [name: string, help: string, value: (account: AccountGauges) => number | null][] = [
  ['account_added_timestamp_seconds', 'When the account was first to be synced.', (a) => a.added_at],
  ['users_carried', 'Users of the newest snapshot whom its walk did not meet.', (a) => a.users_carried],
  [
    'snapshot_observed_timestamp_seconds',
    'The instant that the newest snapshot stands for.',
    (a) => a.observed_at,
  ],
  ['last_success_timestamp_seconds', 'When the newest run that succeeded ended.', (a) => a.last_success_at],
  [
    'last_complete_timestamp_seconds',
    'When the newest run with a complete walk ended.',
    (a) => a.last_complete_at,
  ],
  [
    'consecutive_failed_runs',
    'Runs that failed or were abandoned since the newest success; counted up to 1000.',
    (a) => a.failed_runs,
  ],
  [
    'consecutive_partial_runs',
    'Runs that published a partial snapshot since the newest complete one; counted up to 1000.',
    (a) => a.partial_runs,
  ],
  [
    'rejected_records_waiting',
    'Distinct records that wait because they could not be accepted.',
    (a) => a.rejected_waiting,
  ],
  [
    'lease_held',
    '1 while a run of the account is under way, whichever replica runs it.',
    (a) => (a.lease_started_at === null ? 0 : 1),
  ],
  ['lease_start_timestamp_seconds', 'When the run that is under way began.', (a) => a.lease_started_at],
  [
    'lease_heartbeat_age_seconds',
    'Time since the last sign of life of the run that is under way. It may be taken over after 30 s.',
    (a) => a.lease_heartbeat_age,
  ],
];

export async function accountMetrics({ up, migrated, accounts }: DatabaseView): Promise<string> {
  const registers = [new Registry()];
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: PREFIX + name, help, labelNames, registers });
  gauge(
    'database_up',
    '1 when the database answered this scrape within 3 s; the metrics of accounts are from there.',
  ).set(up ? 1 : 0);
  if (up)
    gauge('database_migrated', '1 when the schema of the database is the one of this version.').set(
      migrated ? 1 : 0,
    );
  const users = gauge('users', 'Users of the newest snapshot by their level.', [
    'account_id',
    'max_risk_level',
  ]);
  for (const { account_id, users: levels } of accounts)
    for (const [max_risk_level, count] of Object.entries(levels))
      users.set({ account_id, max_risk_level }, count);
  for (const [name, help, valueOf] of OF_ACCOUNT) {
    const metric = gauge(name, help, ['account_id']);
    for (const account of accounts) {
      const value = valueOf(account);
      if (value !== null) metric.set({ account_id: account.account_id }, value);
    }
  }
  return registers[0]!.metrics();
}
