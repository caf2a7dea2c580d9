// `users`: the users at each level, now or at an earlier time.
import { Command, Option } from 'commander';
import { asOfCleared, userLists } from '../answers/user-lists.ts';
import { printUsers } from '../terminal/print/print-users.ts';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { USER_SORTS, type UserSort } from '../queries/users/list-users.ts';
import { accountOption } from './options/accounts.ts';
import { formatOption, limitOption } from './options/format.ts';
import { LEVELS_AND_CLEARED, repeatable } from './options/levels.ts';
import { type OutputFormat } from '../terminal/table.ts';
import { withHistory } from './options/with-history.ts';
import { readableTime, timeOf, timezoneOption } from './options/times.ts';
import { WHEN_HELP } from '../time/when.ts';

type Options = {
  level: string[];
  sort: UserSort;
  search?: string;
  limit?: number;
  account: string[];
  identities: boolean;
  asOf?: string;
  timezone?: string;
  format: OutputFormat;
};

const TABLE_LIMIT = 50;

export function usersCommand(io: Io): Command {
  return new Command('users')
    .description('present users and their risk level, worst first')
    .addOption(
      repeatable('--level <level>', 'only users at this level', LEVELS_AND_CLEARED, 'high, medium and low'),
    )
    .addOption(new Option('--sort <by>', 'worst, most or newest first').choices(USER_SORTS).default('level'))
    .option(
      '--search <text>',
      'ids that begin with this text; with --identities also emails and names that contain it',
    )
    .addOption(limitOption('users', TABLE_LIMIT))
    .addOption(accountOption())
    .option('--identities', 'show email and name, and search them', false)
    .option('--as-of <when>', `users who were present at an earlier time: ${WHEN_HELP}`, readableTime)
    .addOption(timezoneOption('time zone of all times, and of times without an offset'))
    .addOption(formatOption())
    .addHelpText(
      'after',
      `
  zt-risk-sync users --level high --sort since
  zt-risk-sync users --search ada@example.com --identities
  zt-risk-sync users --as-of yesterday --level high --format csv > high.csv
  zt-risk-sync users --level cleared --sort since --limit 10`,
    )
    .action((options: Options) => {
      if (options.asOf !== undefined && options.level.includes('cleared')) throw asOfCleared();
      return withHistory(io, async (pool, config) => {
        const timezone = options.timezone ?? config.sync.timezone;
        const limit = options.limit ?? (options.format === 'table' ? TABLE_LIMIT : null);
        const asOf = await asOfTime(pool, options.asOf, timezone);
        const found = await userLists(pool, { ...options, limit, asOf, piiKey: config.pii.key });
        printUsers(io, found, { ...options, timezone, isNow: asOf === null });
      });
    });
}

async function asOfTime(pool: Pool, text: string | undefined, timezone: string): Promise<Date | null> {
  return text === undefined ? null : timeOf('--as-of', text, { now: await databaseNow(pool), timezone });
}
