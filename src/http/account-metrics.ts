// The metrics of accounts, read from the database, in the format of Prometheus.
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

type Sample = readonly [labels: string, value: number];
type Family = readonly [name: string, help: string, samples: readonly Sample[]];

/**
 * Written here and not by prom-client, which takes 0.5 s of the process for 10,000 accounts: heartbeats and probes
 * would wait as long.
 */
export function accountMetrics(view: DatabaseView): string {
  const parts: string[] = [];
  for (const [name, help, samples] of families(view)) {
    const full = PREFIX + name;
    parts.push(`# HELP ${full} ${help}\n# TYPE ${full} gauge\n`);
    for (const [labels, value] of samples) parts.push(`${full}${labels} ${value}\n`);
    parts.push('\n');
  }
  return parts.join('').trimEnd() + '\n';
}

/** One at a time, so that the samples of 10,000 accounts are not all in memory together. */
function* families({ accounts, slots, windows, ...database }: DatabaseView): Generator<Family> {
  yield* ofDatabase(database);
  yield* ofAccounts(accounts);
  yield* ofSlots(slots);
  for (const [name, help, valueOf] of OF_WINDOW)
    yield [
      name,
      help,
      windows.map((window) => [`{credentials="${escaped(window.credentials)}"}`, valueOf(window)]),
    ];
}

function* ofDatabase({
  state,
  migrated,
  readAt,
}: Pick<DatabaseView, 'state' | 'migrated' | 'readAt'>): Generator<Family> {
  yield [
    'database_up',
    '1 when the database accepts connections. The metrics of accounts come from the database.',
    [['', state === 'down' ? 0 : 1]],
  ];
  yield [
    'database_slow',
    '1 when the database accepts connections, but did not answer within 3 s. Then the metrics of accounts are the last ones that were read.',
    [['', state === 'slow' ? 1 : 0]],
  ];
  if (migrated !== null)
    yield [
      'database_migrated',
      '1 when the database schema is the one of this version.',
      [['', migrated ? 1 : 0]],
    ];
  if (readAt !== null)
    yield [
      'accounts_read_timestamp_seconds',
      'When the metrics of accounts were read from the database.',
      [['', readAt]],
    ];
}

function* ofAccounts(accounts: readonly AccountGauges[]): Generator<Family> {
  const labelled = accounts.map(
    (account) => [`account_id="${escaped(account.account_id)}"`, account] as const,
  );
  /** One sample for each count of an account, with what is counted as a second label. */
  const counted = (label: string, countsOf: (account: AccountGauges) => Readonly<Record<string, number>>) =>
    labelled.flatMap(([own, account]) =>
      Object.entries(countsOf(account)).map(([key, n]): Sample => [`{${own},${label}="${key}"}`, n]),
    );
  yield ['users', 'Users in the newest snapshot, by level.', counted('max_risk_level', (a) => a.users)];
  for (const [name, help, valueOf] of OF_ACCOUNT)
    yield [
      name,
      help,
      labelled.flatMap(([own, account]): Sample[] => {
        const value = valueOf(account);
        return value === null ? [] : [[`{${own}}`, value]];
      }),
    ];
  yield [
    'pruned_rows',
    'Rows that were ever deleted because they were old.',
    counted('dataset', (a) => a.pruned_rows),
  ];
}

function* ofSlots(slots: readonly ReplicationSlot[]): Generator<Family> {
  yield [
    'replication_slot_lag_bytes',
    'WAL that the reader of a logical replication slot has not confirmed.',
    slots.flatMap(({ slot, lag_bytes }): Sample[] =>
      lag_bytes === null ? [] : [[`{slot="${escaped(slot)}"}`, lag_bytes]],
    ),
  ];
  yield [
    'replication_slot_lost',
    '1 when the server no longer has the WAL that the slot needs: its reader must begin again.',
    slots.map(({ slot, wal_status }) => [`{slot="${escaped(slot)}"}`, wal_status === 'lost' ? 1 : 0]),
  ];
}

function escaped(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
