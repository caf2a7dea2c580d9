// Opens what runs and HTTP answers need: pools, client, metrics and the list of accounts.
import { listedAccounts } from '../../accounts/read-token-list.ts';
import type { CloudflareClient } from '../../cloudflare/client.ts';
import type { Config } from '../../config.ts';
import { openClient, openDatabase, openSharedBudget, openSuccessPing, type Io } from '../../context.ts';
import { createPool, type Pool } from '../../db/pool.ts';
import { boundGarbage } from '../../host/heap.ts';
import { HTTP_POOL } from '../../http/ask-database.ts';
import { READ_POOL } from '../../http/read-as.ts';
import type { Logger } from '../../logger.ts';
import { createMetrics, type Metrics } from '../../metrics.ts';
import type { SuccessPing } from '../../net/success-ping.ts';
import { VERSION } from '../../version.ts';
import { chooseAccounts, readLabels } from '../options/accounts.ts';

// A run has one connection for its statements, and sometimes one for its heartbeat. Two more are for the looks at what
// is due, and for a claim. Probes and scrapes have their own pool.
const CONNECTIONS_OF_A_RUN = 2;
const OTHER_CONNECTIONS = 2;

type Base = { io: Io; config: Config; logger: Logger };

export type Parts = Base & {
  /** The accounts that are known at the start. */
  first: readonly string[];
  /** --account. Null: all accounts of the list. */
  only: ReadonlySet<string> | null;
  pool: Pool;
  isEmbedded: boolean;
  /** Of their own: neither probes and scrapes nor pages must wait for the runs' connections or take them. */
  probes: Pool;
  readers: Pool;
  client: CloudflareClient;
  metrics: Metrics;
  ping: SuccessPing | null;
};

/** `named`: --account. `opened` closes what is opened here. */
export async function openParts(base: Base, named: string[], opened: AsyncDisposableStack): Promise<Parts> {
  const { io, config, logger } = base;
  const connections = CONNECTIONS_OF_A_RUN * config.sync.parallelAccounts + OTHER_CONNECTIONS;
  const database = await openDatabase(io, config, logger, 'leave', connections);
  opened.defer(() => database.close());
  const { pool, url, isEmbedded } = database;
  const probes = createPool({ url, isEmbedded, ...HTTP_POOL, logger });
  opened.defer(() => probes.end());
  const readers = createPool({ url, isEmbedded, ...READ_POOL, logger });
  opened.defer(() => readers.end());
  const metrics = createMetrics({
    version: VERSION,
    poolCounts: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    budgetLeft: () => client.budgetLeft(),
  });
  const sharedBudget = openSharedBudget(database, logger);
  opened.defer(() => sharedBudget.close());
  const client = openClient(config, logger, {
    sharedBudget,
    onAnswer: ({ status }) => metrics.recordAnswer(status),
    onNoAnswer: (why) => metrics.recordAnswer(why),
  });
  opened.defer(() => client.close());
  const first = await firstAccounts(base, named, { pool, client });
  boundGarbage();
  const ping = openSuccessPing(config, logger);
  if (ping) opened.defer(() => ping.close());
  return {
    ...base,
    first,
    only: named.length > 0 ? new Set(first) : null,
    pool,
    isEmbedded,
    probes,
    readers,
    client,
    metrics,
    ping,
  };
}

/** The list of the token is asked for at the start only if an account must be found in it. */
async function firstAccounts(
  { io, config }: Base,
  named: string[],
  { pool, client }: Pick<Parts, 'pool' | 'client'>,
): Promise<readonly string[]> {
  if (config.cloudflare.accountsFrom.kind === 'token' && named.length === 0) return [];
  return chooseAccounts(
    config,
    named,
    () => readLabels(pool),
    () => listedAccounts(client, { signal: io.signal }),
  );
}
