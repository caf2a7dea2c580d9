// `users`: who is at which level, now or at an earlier time.
import { Command, InvalidArgumentError, Option } from 'commander';
import { asOfCleared, userLists } from '../answers/user-lists.ts';
import { RISK_LEVELS } from '../user-risk.ts';
import { printUsers } from '../terminal/print-users.ts';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { USER_SORTS, type UserSort } from '../queries/users/list-users.ts';
import { formatOption, wholeNumber } from './options/format.ts';
import { type Format } from '../terminal/table.ts';
import { withHistory } from './options/with-history.ts';
import { readableTime, timeOf, timezoneOption } from './options/times.ts';
import { WHEN_HELP } from '../time/when.ts';

type Options = {
  level: string[];
  sort: UserSort;
  search?: string;
  limit?: number;
  account?: string;
  identities: boolean;
  asOf?: string;
  timezone?: string;
  format: Format;
};

const TABLE_LIMIT = 50;
const LEVELS = [...RISK_LEVELS.toReversed(), 'cleared'];

export function usersCommand(io: Io): Command {
  return new Command('users')
    .description('present users and their risk level, worst first')
    .addOption(
      new Option('--level <level>', 'high, medium, low or cleared (repeatable)')
        .argParser(oneMoreLevel)
        .default([], 'high, medium and low'),
    )
    .addOption(new Option('--sort <by>', 'worst, most or newest first').choices(USER_SORTS).default('level'))
    .option(
      '--search <text>',
      'ids that begin with this text; with --identities also emails and names that contain it',
    )
    .option(
      '--limit <n>',
      `at most this many users per account (default: ${TABLE_LIMIT} in a table, all as JSON or CSV)`,
      wholeNumber(1, 10_000_000),
    )
    .option('--account <id>', 'only this account')
    .option('--identities', 'show email and name, and search them', false)
    .option('--as-of <when>', `users who were present at an earlier time: ${WHEN_HELP}`, readableTime)
    .addOption(timezoneOption('time zone of times without an offset, and in which days begin'))
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
        const found = await userLists(pool, { ...options, limit, asOf });
        printUsers(io, found, { ...options, timezone, isNow: asOf === null });
      });
    });
}

async function asOfTime(pool: Pool, text: string | undefined, timezone: string): Promise<Date | null> {
  return text === undefined ? null : timeOf('--as-of', text, { now: await databaseNow(pool), timezone });
}

function oneMoreLevel(text: string, levels: string[]): string[] {
  if (!LEVELS.includes(text)) throw new InvalidArgumentError(`Allowed choices are ${LEVELS.join(', ')}.`);
  return [...levels, text];
}
