// The HTTP side of `serve`: the app with its parts, and a server for it.
import type { AccountList } from '../../accounts/account-list.ts';
import { createApp } from '../../http/app.ts';
import { readAssets } from '../../http/assets.ts';
import { addressOf, startHttp } from '../../http/server.ts';
import type { Scheduler } from '../../scheduler/scheduler.ts';
import { longestInterval, staleAfter } from '../../time/schedule.ts';
import { VERSION } from '../../version.ts';
import type { Parts } from './parts.ts';

const CLOSE_MS = 2_000;

/** Returns the address. `opened` closes the server. */
export async function listen(
  parts: Parts,
  { scheduler, accounts }: { scheduler: Scheduler; accounts: AccountList },
  opened: AsyncDisposableStack,
): Promise<string> {
  const { io, config, logger, probes, readers, metrics } = parts;
  const intervalMs = longestInterval(config.sync.schedule, config.sync.timezone);
  const staleAfterMs = staleAfter(intervalMs);
  const app = createApp({
    version: VERSION,
    pool: probes,
    reader: { pool: readers },
    assets: readAssets(),
    metrics: {
      contentType: metrics.contentType,
      scrape() {
        metrics.setAccounts(accounts.state());
        metrics.setSchedule({ intervalMs, staleAfterMs, nextSlot: scheduler.nextSlot() });
        return metrics.scrape();
      },
    },
    logger,
    token: config.http.token,
    piiToken: config.http.piiToken,
    allowedHosts: config.http.allowedHosts,
    accountIds: () => accounts.ids(),
    startSync: (accountId) => scheduler.request(accountId),
    nextSlot: () => scheduler.nextSlot(),
    highTargetMs: config.highTargetMs,
    piiKey: config.pii.key,
    staleAfterMs,
    isStopping: () => io.signal.aborted,
  });
  const { host } = config.http;
  const http = await startHttp({
    app,
    host,
    port: config.http.port,
    onCrowded: () => metrics.recordCrowded(),
  });
  opened.defer(() => http.close(CLOSE_MS));
  return addressOf(host, http.port);
}
