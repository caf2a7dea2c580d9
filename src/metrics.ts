// What this process counts of its own work, in Prometheus' format. Facts from the database are read at each scrape
// instead (http/account-metrics.ts), so that every replica reports the same.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { CHANGES, type Change } from './user-risk.ts';

export const PREFIX = 'zt_risk_sync_';

/** The part of RunResult (sync/run-sync.ts) that is counted. */
export type CountedResult = {
  published: ({ verdict: string } & Record<Change, number>) | null;
  facts: { pages: number; retries: number; lookups: number; rejected: number };
  error: object | null;
  phases: { walkMs: number; publishMs: number };
};
/** The request budget that the client keeps: how many requests are left, and of how many. */
export type CountedBudget = { remaining: number; quota: number | null; source: 'header' | 'own' };

export type Metrics = {
  contentType: string;
  /** The text that Prometheus reads. */
  scrape(): Promise<string>;
  recordRun(run: { accountId: string; trigger: string; durationMs: number; result: CountedResult }): void;
  /** The status of an answer, or the reason why none came. */
  recordAnswer(status: number | 'timeout' | 'network'): void;
  recordPing(outcome: 'ok' | 'failed'): void;
  /** A connection of the HTTP server was closed to make room for another one. */
  recordCrowded(): void;
  /** `readAt`: in milliseconds since 1970; null: never. */
  setAccounts(list: { synced: number; unlisted: number; readAt: number | null }): void;
  setSchedule(schedule: { intervalMs: number; staleAfterMs: number; nextSlot: Date | null }): void;
};

// A small account takes less than a second, a million users under a tight limit more than an hour.
const DURATIONS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200];

type Options = {
  version: string;
  poolCounts?: () => { total: number; idle: number; waiting: number };
  budgetLeft?: () => CountedBudget | null;
};

/** The functions are called at each scrape. */
export function createMetrics(options: Options): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const maker = createMaker(registry);
  const { poolCounts, budgetLeft } = options;
  const metrics = {
    contentType: registry.contentType,
    scrape: () => registry.metrics(),
    ...ofRuns(maker),
    ...ofConnections(maker),
    ...ofSchedule(maker),
  };
  maker.gauge('build_info', 'Always 1; the version is the label.', ['version'], (g) =>
    g.set({ version: options.version }, 1),
  );
  if (poolCounts !== undefined) showPool(maker, poolCounts);
  if (budgetLeft !== undefined) showBudget(maker, budgetLeft);
  return metrics;
}

type Maker = ReturnType<typeof createMaker>;

/** Makes metrics with our prefix. */
function createMaker(registry: Registry) {
  const registers = [registry];
  return {
    counter: <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
      new Counter({ name: PREFIX + name, help, labelNames, registers }),
    histogram: <Label extends string>(name: string, help: string, labelNames: Label[], buckets: number[]) =>
      new Histogram({ name: PREFIX + name, help, labelNames, buckets, registers }),
    gauge: <Label extends string = never>(
      name: string,
      help: string,
      labelNames: Label[] = [],
      collect?: (gauge: Gauge<Label>) => void,
    ) =>
      new Gauge<Label>({
        name: PREFIX + name,
        help,
        labelNames,
        registers,
        ...(collect && {
          collect() {
            collect(this);
          },
        }),
      }),
  };
}

function ofRuns({ counter, histogram }: Maker): Pick<Metrics, 'recordRun' | 'recordAnswer'> {
  const runs = counter(
    'runs_total',
    'Sync runs that ended in this process. verdict is none when nothing was published.',
    ['account_id', 'trigger', 'status', 'verdict'],
  );
  const duration = histogram(
    'run_duration_seconds',
    'Duration of the sync runs of this process. walk includes asking about absent users, total includes the claim.',
    ['phase'],
    DURATIONS,
  );
  const pages = counter('pages_total', 'Pages of the risk summary that were read.');
  const requests = counter(
    'cloudflare_requests_total',
    'Requests to the Cloudflare API by the status of the answer; timeout or network when none came.',
    ['status'],
  );
  const retries = counter('retries_total', 'Requests to the Cloudflare API that repeated an earlier one.');
  const lookups = counter('lookups_total', 'Absent users whose own record was asked for.');
  const changes = counter(
    'changes_total',
    'Users whose level changed in a published snapshot, by kind of change.',
    ['account_id', 'kind'],
  );
  const rejected = counter(
    'rejected_records_total',
    'Records that a walk could not accept; counted again in each walk that meets them.',
    ['account_id'],
  );
  // Present from the start: Prometheus sees no increase in a series that begins with 1.
  requests.inc({ status: '429' }, 0);
  return {
    recordRun({ accountId, trigger, durationMs, result: { published, facts, error, phases } }) {
      const status = error === null ? 'succeeded' : 'failed';
      runs.inc({ account_id: accountId, trigger, status, verdict: published?.verdict ?? 'none' });
      duration.observe({ phase: 'walk' }, phases.walkMs / 1000);
      // A run that failed earlier did not begin to publish.
      if (phases.publishMs > 0) duration.observe({ phase: 'publish' }, phases.publishMs / 1000);
      duration.observe({ phase: 'total' }, durationMs / 1000);
      pages.inc(facts.pages);
      retries.inc(facts.retries);
      lookups.inc(facts.lookups);
      rejected.inc({ account_id: accountId }, facts.rejected);
      for (const kind of CHANGES) changes.inc({ account_id: accountId, kind }, published?.[kind] ?? 0);
    },
    recordAnswer: (status) => requests.inc({ status: String(status) }),
  };
}

/** The network beside the API. */
function ofConnections({ counter }: Maker): Pick<Metrics, 'recordPing' | 'recordCrowded'> {
  const pings = counter('success_pings_total', 'Pings to PING_URL after a success, by outcome.', ['outcome']);
  const crowded = counter(
    'http_connections_closed_total',
    'Connections to the HTTP server that were closed to make room for newer ones.',
  );
  // Present from the start, like the status 429 above.
  for (const outcome of ['ok', 'failed']) pings.inc({ outcome }, 0);
  return {
    recordPing: (outcome) => pings.inc({ outcome }),
    recordCrowded: () => crowded.inc(),
  };
}

function ofSchedule({ gauge }: Maker): Pick<Metrics, 'setSchedule' | 'setAccounts'> {
  const interval = gauge('schedule_interval_seconds', 'Longest time between two slots of SYNC_SCHEDULE.');
  const staleAfter = gauge(
    'stale_after_seconds',
    'Age from which data counts as stale: two intervals of the schedule.',
  );
  const nextSlot = gauge('next_slot_timestamp_seconds', 'When the next slot of the schedule begins.');
  const accounts = gauge(
    'listed_accounts',
    'Accounts in the list of this process. synced: on the schedule. unlisted: no longer, because the list of the token lacks them.',
    ['state'],
  );
  const listReadAt = gauge(
    'account_list_timestamp_seconds',
    'When the list of accounts was last read and trusted. No value: never, or it is not read again.',
  );
  // Without a value until they are known, rather than 0.
  for (const unknown of [interval, staleAfter, nextSlot, listReadAt]) unknown.remove();
  return {
    setAccounts({ synced, unlisted, readAt }) {
      accounts.set({ state: 'synced' }, synced);
      accounts.set({ state: 'unlisted' }, unlisted);
      if (readAt !== null) listReadAt.set(readAt / 1000);
    },
    setSchedule(schedule) {
      interval.set(schedule.intervalMs / 1000);
      staleAfter.set(schedule.staleAfterMs / 1000);
      if (schedule.nextSlot === null) nextSlot.remove();
      else nextSlot.set(schedule.nextSlot.getTime() / 1000);
    },
  };
}

function showPool({ gauge }: Maker, poolCounts: NonNullable<Options['poolCounts']>): void {
  gauge(
    'pool_connections',
    'Connections of the pool to the database; waiting counts the requests for one.',
    ['state'],
    (g) => {
      for (const [state, count] of Object.entries(poolCounts())) g.set({ state }, count);
    },
  );
}

function showBudget({ gauge }: Maker, budgetLeft: NonNullable<Options['budgetLeft']>): void {
  const source =
    'source is header when the API states it (for all programs with these credentials), own when this process counts it.';
  gauge('rate_budget_left', `Requests that may still be sent now. ${source}`, ['source'], (g) => {
    g.reset();
    const left = budgetLeft();
    if (left !== null) g.set({ source: left.source }, left.remaining);
  });
  gauge('rate_budget_limit', `Requests that may be sent in one window. ${source}`, ['source'], (g) => {
    g.reset();
    const left = budgetLeft();
    if (left !== null && left.quota !== null) g.set({ source: left.source }, left.quota);
  });
}
