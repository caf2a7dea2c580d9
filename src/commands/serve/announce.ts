// What `serve` reports before its first run: what it does, and settings that are allowed but look like a mistake.
import type { AccountList } from '../../accounts/account-list.ts';
import type { Config } from '../../config.ts';
import type { Io } from '../../context.ts';
import type { Logger } from '../../logger.ts';
import { isLoopbackHost } from '../../net/private-host.ts';
import { clockChanges } from '../../time/slots.ts';
import { minute } from '../../time/when.ts';
import { VERSION } from '../../version.ts';

const SHORT_TOKEN = 16;

export function warnOfSchedule(config: Config, accounts: AccountList, logger: Logger): void {
  const { schedule, timezone } = config.sync;
  for (const { date, times, kind } of clockChanges(schedule, timezone, new Date())) {
    logger.warn(
      { date, times: times.join(' '), timezone },
      kind === 'skipped'
        ? 'daylight saving skips these times of the schedule'
        : 'daylight saving repeats these times of the schedule, they run once',
    );
  }
  const isOne = accounts.isByName && accounts.ids().length === 1;
  if (config.pingUrl !== null && !isOne && !/account_id/i.test(config.pingUrl)) {
    logger.warn(
      accounts.isByName ? { accounts: accounts.ids().length } : {},
      'PING_URL has no {account_id}: one account that works hides another that fails',
    );
  }
}

/** The right bearer token is never limited, so its length protects it. */
export function warnOfToken({ http: { host, token } }: Config, logger: Logger): void {
  if (token !== null && token.length < SHORT_TOKEN && !isLoopbackHost(host))
    logger.warn({ characters: token.length }, 'HTTP_TOKEN is short: who reaches the port could guess it');
}

export function announce(
  io: Io,
  config: Config,
  accounts: AccountList,
  url: string,
  next: Date | null,
  logger: Logger,
): void {
  const { schedule, timezone } = config.sync;
  logger.info(
    {
      version: VERSION,
      schedule,
      timezone,
      next_slot: next === null ? 'none' : next.toISOString(),
      accounts: accounts.isByName ? accounts.ids().length : 'all that the token sees',
    },
    'serving',
  );
  if (io.stderr.isTTY === true) {
    const when = next === null ? 'no next slot' : `next slot ${minute(next, timezone)}`;
    io.stderr.write(`Serving at ${url}, ${when}. Stop with Ctrl-C.\n`);
  }
}
