// `history <user>`: the history of one user, in words.
import { userHistories, type HistoryOptions } from '../answers/user-history.ts';
import { Command } from 'commander';
import type { Io } from '../context.ts';
import { printHistories } from '../terminal/print/print-history.ts';
import { accountOption } from './options/accounts.ts';
import { formatOption, wholeNumber } from './options/format.ts';
import type { OutputFormat } from '../terminal/table.ts';
import { timezoneOption } from './options/times.ts';
import { withHistory } from './options/with-history.ts';

type Options = HistoryOptions & { timezone?: string; format: OutputFormat };

export function historyCommand(io: Io): Command {
  return new Command('history')
    .description('one person over time, in every account: levels, clearings and why, returns, renames')
    .argument('<user>', 'a user id, the beginning of one, or an email when the database role may read emails')
    .addOption(accountOption())
    .option('--identities', 'show email and name', false)
    .option(
      '--limit <n>',
      'at most this many of the newest events per account',
      wholeNumber(1, 1_000_000),
      100,
    )
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption())
    .addHelpText(
      'after',
      `
To find a user: zt-risk-sync users --search <beginning of the id>, and with
--identities also part of the email or name.

  zt-risk-sync history 3f2504e0-4f89-41d3-9a0c-0305e82c3301
  zt-risk-sync history 3f2504e0 --timezone Europe/Berlin
  zt-risk-sync history ada@example.com --identities
  zt-risk-sync history ada@example.com --format csv > ada.csv`,
    )
    .action((who: string, options: Options) =>
      withHistory(io, async (pool, config) => {
        const timezone = options.timezone ?? config.sync.timezone;
        printHistories(io, await userHistories(pool, who, { ...options, piiKey: config.pii.key }), {
          ...options,
          timezone,
        });
      }),
    );
}
