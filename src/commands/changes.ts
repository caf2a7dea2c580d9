// `changes`: the feed of level changes in a span of time.
import { Command } from 'commander';
import { changesOf } from '../answers/changes.ts';
import { accountName } from '../answers/resolve-accounts.ts';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { wholeSince } from '../queries/accounts/whole-since.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { printChanges } from '../terminal/print/print-changes.ts';
import { type OutputFormat } from '../terminal/table.ts';
import { viewOf } from '../terminal/view.ts';
import { wrap } from '../terminal/wrap.ts';
import { WHEN_HELP } from '../time/when.ts';
import type { Change } from '../user-risk.ts';
import { accountOption } from './options/accounts.ts';
import { formatOption, limitOption } from './options/format.ts';
import { changeOption, LEVELS_AND_CLEARED, repeatable } from './options/levels.ts';
import { requireInOrder, readableTime, timeOf, timezoneOption } from './options/times.ts';
import { withHistory } from './options/with-history.ts';

type Options = {
  since: string;
  until: string;
  to: string[];
  change: Change[];
  account: string[];
  identities: boolean;
  limit?: number;
  timezone?: string;
  format: OutputFormat;
};

const TABLE_LIMIT = 50;

export function changesCommand(io: Io): Command {
  return new Command('changes')
    .description('every change of a level in a span of time, newest first')
    .option('--since <when>', 'from this time on (see below)', readableTime, '7d')
    .option('--until <when>', 'up to this time, which is not included', readableTime, 'now')
    .addOption(repeatable('--to <level>', 'only changes to this level', LEVELS_AND_CLEARED))
    .addOption(changeOption())
    .addOption(accountOption())
    .option('--identities', 'show email and name', false)
    .addOption(limitOption('changes', TABLE_LIMIT))
    .addOption(timezoneOption('time zone of all times, and of times without an offset'))
    .addOption(formatOption())
    .addHelpText(
      'after',
      `
${wrap(`A time is ${WHEN_HELP}.`)}
The first load of an account is no change. \`diff\` compares two moments instead,
and hides who rose and came back.

  zt-risk-sync changes --since 7d --to high
  zt-risk-sync changes --since yesterday --until today --change cleared
  zt-risk-sync changes --since 90d --format csv > changes.csv`,
    )
    .action((options: Options) =>
      withHistory(io, (pool, config) =>
        show(io, pool, { ...options, timezone: options.timezone ?? config.sync.timezone }),
      ),
    );
}

async function show(io: Io, pool: Pool, options: Options & { timezone: string }): Promise<void> {
  const clock = { now: await databaseNow(pool), timezone: options.timezone };
  const since = timeOf('--since', options.since, clock);
  const until = timeOf('--until', options.until, clock);
  requireInOrder(['--since', since], ['--until', until]);
  const limit = options.limit ?? (options.format === 'table' ? TABLE_LIMIT : null);
  const to = options.to.map((level) => (level === 'cleared' ? null : level));
  const found = await changesOf(pool, { ...options, since, until, to, limit });
  await printChanges(io, found, { ...options, since, until });
  for (const { account } of found) {
    const deleted = (await wholeSince(pool, account.account_key)).find(({ part }) => part === 'levels');
    if (deleted === undefined || deleted.since <= since) continue;
    const before = viewOf(io, options.timezone).time(deleted.since);
    io.stderr.write(
      `account ${accountName(account)}: changes before ${before} may have been deleted (prune)\n`,
    );
  }
}
