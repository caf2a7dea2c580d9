// `trends`: users per level over time, as a chart and as one row per bucket.
import { Command, Option } from 'commander';
import type { Io } from '../context.ts';
import { trendSince } from '../answers/trend.ts';
import { printTrend } from '../terminal/print/print-trend.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { BUCKETS, type Bucket } from '../queries/levels/level-trend.ts';
import { accountOption } from './options/accounts.ts';
import { formatOption } from './options/format.ts';
import { type OutputFormat } from '../terminal/table.ts';
import { withHistory } from './options/with-history.ts';
import { readableTime, timeOf, timezoneOption } from './options/times.ts';
import { WHEN_HELP } from '../time/when.ts';

type Options = { since: string; bucket: Bucket; account: string[]; timezone?: string; format: OutputFormat };

export function trendsCommand(io: Io): Command {
  return new Command('trends')
    .description('users per risk level over time')
    .option('--since <when>', WHEN_HELP, readableTime, '30d')
    .addOption(new Option('--bucket <size>', 'one row per').choices(BUCKETS).default('day'))
    .addOption(accountOption())
    .addOption(timezoneOption('time zone of all times, and in which days begin'))
    .addOption(formatOption())
    .addHelpText(
      'after',
      `
A bucket shows the last snapshot up to its end. A bucket without a snapshot of
its own carries the state before, and is marked (is_observed: false). On a
terminal, or from 100 columns on, levels are drawn as charts, otherwise as lines
of blocks. An axis need not begin at 0: a line below says where it does.

  zt-risk-sync trends --since 24h --bucket hour
  zt-risk-sync trends --since 2026-01-01 --bucket week --timezone Europe/Berlin
  zt-risk-sync trends --since 90d --format csv > trend.csv`,
    )
    .action((options: Options) =>
      withHistory(io, async (pool, config) => {
        const timezone = options.timezone ?? config.sync.timezone;
        const since = timeOf('--since', options.since, { now: await databaseNow(pool), timezone });
        printTrend(io, await trendSince(pool, { ...options, since, timezone }), options);
      }),
    );
}
