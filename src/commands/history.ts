// `history <user>`: the history of one user, in words.
import { userHistory, type HistoryOptions } from '../answers/user-history.ts';
import { Command } from 'commander';
import type { Io } from '../context.ts';
import { printHistory } from '../terminal/print-history.ts';
import { formatOption, wholeNumber } from './options/format.ts';
import type { Format } from '../terminal/table.ts';
import { withHistory } from './options/with-history.ts';

type Options = HistoryOptions & { format: Format };

export function historyCommand(io: Io): Command {
  return new Command('history')
    .description('one user over time: levels, clearings and why, returns, renames')
    .argument('<user>', 'a user id, or an email when the database role may read emails')
    .option('--account <id>', 'only this account')
    .option('--identities', 'show email and name', false)
    .option('--limit <n>', 'at most this many of the newest events', wholeNumber(1, 1_000_000), 100)
    .addOption(formatOption())
    .addHelpText(
      'after',
      `
  zt-risk-sync history 3f2504e0-4f89-41d3-9a0c-0305e82c3301
  zt-risk-sync history ada@example.com --identities
  zt-risk-sync history ada@example.com --format csv > ada.csv`,
    )
    .action((who: string, options: Options) =>
      withHistory(io, async (pool) =>
        printHistory(io.stdout, await userHistory(pool, who, options), options),
      ),
    );
}
